/* A stand-in for libedgetpu.so.1, for tests: a delegate of TensorFlow Lite, behind the interface that the real library
 * has (tensorflow/lite/delegates/external/external_delegate_interface.h), that takes the operators "edgetpu-custom-op"
 * of models that were compiled for the Edge TPU.
 *
 * It computes nothing that an Edge TPU computes: byte i of an output is byte i of the input, which begins anew where it
 * ends. And it fails as it is told to, by a file that the environment variable EDGE_STANDIN_PLAY names, a line a word:
 *
 *   record FILE   write the options that it is given into FILE, "device=usb:0 Performance=Low", a line a delegate
 *   node FILE     hold FILE open, as the library holds the node of its device
 *   say WORDS     write WORDS to stderr when a delegate is made
 *   absent        make no delegate, without a word, as the library does where it finds no device it can open
 *   crash-load    make none, and crash: a write to address 0
 *   hang-load     make none, and never return
 *   slow MS       take so many milliseconds for an inference
 *   lose N        from the Nth inference on (from 1; a worker's trial is the first): an error
 *   crash N       at the Nth: a write to address 0
 *   hang N        at the Nth: never return
 *   abort N       at the Nth: end as the library does when its USB device is unplugged
 *
 * The structures are those of tensorflow/lite/core/c/common.h, version 2.14, by their published order of fields; the
 * asserts below say what that comes to. Newer runtimes append to them.
 */

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { OK = 0, ERROR = 1 };          /* TfLiteStatus */
enum { ALLOW_DYNAMIC_TENSORS = 1 };  /* TfLiteDelegateFlags */

typedef struct {  /* TfLiteIntArray */
  int size;
  int data[];
} Ints;

typedef struct Delegate Delegate;
typedef struct Context Context;

typedef struct {  /* TfLiteTensor */
  int type;
  void *data;
  Ints *dims;
  struct { float scale; int32_t zero_point; } params;
  int allocation_type;
  size_t bytes;
  const void *allocation;
  const char *name;
  Delegate *delegate;
  int buffer_handle;
  bool data_is_stale, is_variable;
  struct { int type; void *params; } quantization;
  void *sparsity;
  const Ints *dims_signature;
} Tensor;

typedef struct {  /* TfLiteNode */
  Ints *inputs, *outputs, *intermediates, *temporaries;
  void *user_data, *builtin_data;
  const void *custom_initial_data;
  int custom_initial_data_size;
  Delegate *delegate;
  bool might_have_side_effect;
} Node;

typedef struct {  /* TfLiteRegistration: goes by value, so that its size is part of the interface */
  void *(*init)(Context *, const char *, size_t);
  void (*free)(Context *, void *);
  int (*prepare)(Context *, Node *);
  int (*invoke)(Context *, Node *);
  const char *(*profiling_string)(const Context *, const Node *);
  int32_t builtin_code;
  const char *custom_name;
  int version;
  void *registration_external;
  void *(*async_kernel)(Context *, Node *);
  uint64_t inplace_operator;
} Registration;

struct Context {  /* TfLiteContext: its beginning */
  size_t tensors_size;
  int (*get_execution_plan)(Context *, Ints **);
  Tensor *tensors;
  void *impl;
  int (*resize_tensor)(Context *, Tensor *, Ints *);
  void (*report_error)(Context *, const char *, ...);
  int (*add_tensors)(Context *, int, int *);
  int (*get_node_and_registration)(Context *, int, Node **, Registration **);
  int (*replace_node_subsets)(Context *, Registration, const Ints *, Delegate *);
};

struct Delegate {  /* TfLiteDelegate */
  void *data;
  int (*prepare)(Context *, Delegate *);
  void *copy_from, *copy_to, *free_buffer;
  int64_t flags;
  void *opaque_builder;
};

typedef struct {  /* TfLiteDelegateParams: its beginning; what a delegate's `init` gets */
  Delegate *delegate;
} Params;

#if UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(Tensor) == 112 && offsetof(Tensor, bytes) == 40, "TfLiteTensor");
_Static_assert(sizeof(Node) == 80 && offsetof(Node, user_data) == 32, "TfLiteNode");
_Static_assert(sizeof(Registration) == 88 && offsetof(Registration, custom_name) == 48, "TfLiteRegistration");
_Static_assert(sizeof(Delegate) == 56 && offsetof(Delegate, flags) == 40, "TfLiteDelegate");
_Static_assert(offsetof(Context, replace_node_subsets) == 64, "TfLiteContext");
#else /* 32 bits: all is half as wide, but for flags and inplace_operator, which stand on multiples of 8 on ARM */
_Static_assert(sizeof(Tensor) == 64 && offsetof(Tensor, bytes) == 24, "TfLiteTensor");
_Static_assert(sizeof(Node) == 40 && offsetof(Node, user_data) == 16, "TfLiteNode");
_Static_assert(offsetof(Registration, custom_name) == 24, "TfLiteRegistration");
_Static_assert(offsetof(Context, replace_node_subsets) == 32, "TfLiteContext");
#endif

enum { WORDS = 512 };

typedef struct {
  long slow_ms, lose, crash, hang, abort, asked;
  bool absent, crash_load, hang_load;
  char say[WORDS], record[WORDS], node[WORDS];
  int held;
} Play;

static void keep(char *place, const char *words) {
  while (*words == ' ') words++;
  snprintf(place, WORDS, "%s", words);
}

static void read_line(Play *play, char *line) {
  line[strcspn(line, "\n")] = 0;
  char *rest = strchr(line, ' ');
  if (rest) *rest++ = 0;
  else rest = line + strlen(line);
  if (!strcmp(line, "record")) keep(play->record, rest);
  else if (!strcmp(line, "node")) keep(play->node, rest);
  else if (!strcmp(line, "say")) keep(play->say, rest);
  else if (!strcmp(line, "absent")) play->absent = true;
  else if (!strcmp(line, "crash-load")) play->crash_load = true;
  else if (!strcmp(line, "hang-load")) play->hang_load = true;
  else if (!strcmp(line, "slow")) play->slow_ms = atol(rest);
  else if (!strcmp(line, "lose")) play->lose = atol(rest);
  else if (!strcmp(line, "crash")) play->crash = atol(rest);
  else if (!strcmp(line, "hang")) play->hang = atol(rest);
  else if (!strcmp(line, "abort")) play->abort = atol(rest);
  else if (*line) {  /* a test that asks for what there is not must not pass */
    fprintf(stderr, "stand-in: cannot play '%s'\n", line);
    exit(99);
  }
}

static Play *read_play(void) {
  Play *play = calloc(1, sizeof *play);
  play->held = -1;
  const char *name = getenv("EDGE_STANDIN_PLAY");
  FILE *file = name ? fopen(name, "r") : NULL;
  char line[2 * WORDS];
  while (file && fgets(line, sizeof line, file)) read_line(play, line);
  if (file) fclose(file);
  return play;
}

static void hang(void) {
  for (;;) pause();
}

static int *volatile nowhere = NULL;  /* volatile, or the compiler would know better */

static void crash(void) {
  *nowhere = 1;
}

/* --- the operator */

static void *init(Context *context, const char *params, size_t length) {
  (void)context, (void)length;
  return ((const Params *)params)->delegate->data;
}

static void release(Context *context, void *play) { (void)context, (void)play; }

static int prepare(Context *context, Node *node) {
  (void)context, (void)node;
  return OK;
}

static int invoke(Context *context, Node *node) {
  Play *play = node->user_data;
  long number = ++play->asked;
  if (play->slow_ms) {
    struct timespec time = {play->slow_ms / 1000, play->slow_ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
  }
  if (play->crash && number >= play->crash) crash();
  if (play->hang && number >= play->hang) hang();
  if (play->abort && number >= play->abort) {  /* word for word what the library says of a pulled plug */
    fprintf(stderr, "F driver/usb/usb_driver.cc:1148] HandleQueuedBulkIn transfer in failed. "
                    "Not found: USB transfer error 5 [LibUsbDataInCallback]\n");
    abort();
  }
  if (play->lose && number >= play->lose) {
    context->report_error(context, "stand-in: the device is gone (inference %d)", (int)number);
    return ERROR;
  }
  const Tensor *input = &context->tensors[node->inputs->data[0]];
  for (int i = 0; i < node->outputs->size; i++) {
    Tensor *output = &context->tensors[node->outputs->data[i]];
    for (size_t at = 0; at < output->bytes; at++)
      ((uint8_t *)output->data)[at] = ((const uint8_t *)input->data)[at % input->bytes];
  }
  return OK;
}

/* --- the delegate */

static int take_nodes(Context *context, Delegate *delegate) {
  Ints *plan;
  if (context->get_execution_plan(context, &plan) != OK) return ERROR;
  Ints *mine = calloc(1, sizeof *mine + plan->size * sizeof(int));
  for (int i = 0; i < plan->size; i++) {
    Node *node;
    Registration *registration;
    if (context->get_node_and_registration(context, plan->data[i], &node, &registration) != OK) return ERROR;
    if (registration->custom_name && !strcmp(registration->custom_name, "edgetpu-custom-op"))
      mine->data[mine->size++] = plan->data[i];
  }
  Registration operator = {.init = init, .free = release, .prepare = prepare, .invoke = invoke,
                           .custom_name = "StandInForCustomOp", .version = 1};
  int status = context->replace_node_subsets(context, operator, mine, delegate);
  free(mine);
  return status;
}

static void record(const Play *play, char **keys, char **values, size_t count) {
  FILE *file = *play->record ? fopen(play->record, "a") : NULL;
  if (!file) return;
  for (size_t i = 0; i < count; i++) fprintf(file, "%s%s=%s", i ? " " : "", keys[i], values[i]);
  fputc('\n', file);
  fclose(file);
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
  (void)report;  /* the library never calls it */
  Play *play = read_play();
  record(play, keys, values, count);
  if (*play->say) fprintf(stderr, "%s\n", play->say);
  if (play->crash_load) crash();
  if (play->hang_load) hang();
  if (play->absent) {
    free(play);
    return NULL;
  }
  if (*play->node) play->held = open(play->node, O_RDONLY | O_CLOEXEC);
  Delegate *delegate = calloc(1, sizeof *delegate);
  delegate->data = play;
  delegate->prepare = take_nodes;
  delegate->flags = ALLOW_DYNAMIC_TENSORS;  /* else the runtime prepares, and refuses, the operators first */
  return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) {
  if (!delegate) return;
  Play *play = delegate->data;
  if (play->held >= 0) close(play->held);
  free(play);
  free(delegate);
}
