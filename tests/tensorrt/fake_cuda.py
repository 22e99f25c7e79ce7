# ruff: noqa: N801, N802, N815, N816 - the names are those of CUDA
"""Plays CUDA's runtime: memory of this process, and a stream whose work is done when it is waited for."""

import ctypes
import json
import os
from enum import IntEnum
from pathlib import Path

SCRIPT = json.loads(Path(__file__).with_name("script.json").read_text())
WANTED, ERROR, FROM = [*SCRIPT.get("cuda", "none none").split(), "1"][:3]
QUEUE, HELD, CALLS = [], [], []

cudaStreamNonBlocking = 1
cudaDeviceScheduleBlockingSync = 4


class cudaError_t(IntEnum):
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorNoDevice = 100
    cudaErrorInvalidDevice = 101
    cudaErrorIllegalAddress = 700


class cudaMemcpyKind(IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class Stream:
    def __int__(self):
        return 7


class Properties:
    name = SCRIPT.get("gpu", "Orin").encode()
    major, minor = 8, 7


def result(name, *values):
    """What a call gives, or the error that the script wants of it: "cudaMalloc cudaErrorMemoryAllocation".

    A third word is the number of the call from which on it fails.
    """
    CALLS.append(name)
    return (
        (cudaError_t[ERROR], None)
        if name == WANTED and CALLS.count(name) >= int(FROM)
        else (cudaError_t.cudaSuccess, *values)
    )


def cudaGetDeviceCount():
    return result("cudaGetDeviceCount", SCRIPT.get("gpus", 1))


def cudaSetDevice(device):
    return result("cudaSetDevice")


def cudaSetDeviceFlags(flags):
    assert flags == cudaDeviceScheduleBlockingSync
    return result("cudaSetDeviceFlags")


def cudaGetDeviceProperties(device):
    return result("cudaGetDeviceProperties", Properties())


def cudaGetErrorName(error):
    return cudaError_t.cudaSuccess, error.name.encode()


def cudaGetErrorString(error):
    return cudaError_t.cudaSuccess, b"what CUDA says of it"


def cudaStreamCreateWithFlags(flags):
    assert flags == cudaStreamNonBlocking
    return result("cudaStreamCreateWithFlags", Stream())


def memory(size):
    HELD.append(ctypes.create_string_buffer(size))
    return ctypes.addressof(HELD[-1])


def cudaMallocHost(size):
    return result("cudaMallocHost", memory(size))


def cudaMalloc(size):
    return result("cudaMalloc", memory(size))


def cudaMemcpyAsync(dst, src, count, kind, stream):
    QUEUE.append(lambda: ctypes.memmove(dst, src, count))
    return result("cudaMemcpyAsync")


def cudaStreamSynchronize(stream):
    HELD.append("waited")
    if HELD.count("waited") == SCRIPT.get("crash at"):
        os.abort()
    while QUEUE:
        QUEUE.pop(0)()
    return result("cudaStreamSynchronize")
