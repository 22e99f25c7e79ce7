"""How the page looks: light and dark, on a phone and on a desk."""

CSS = """
:root{color-scheme:light dark;--paper:#fff;--card:#f7f8fa;--ink:#1b2430;--soft:#5a6675;--line:#dfe3e8;--grid:#e6e9ee;
--c0:#0072b2;--c1:#d55e00;--c2:#00795c;--c3:#a3427b;--c4:#b07800;--c5:#3d8fc4;--c6:#6b6b6b;--held:#d55e00;
--good:#00664d;--fair:#8a5a00;--bad:#a8280a}
@media (prefers-color-scheme:dark){:root{--paper:#12161c;--card:#1a2028;--ink:#e3e8ee;--soft:#9aa7b5;--line:#2c3540;
--grid:#28303a;--c0:#56b4e9;--c1:#ff9a4d;--c2:#2fc39b;--c3:#e39ac4;--c4:#f0c84b;--c5:#8fb8ff;--c6:#a9a9a9;--held:#ff9a4d;
--good:#4fd1a8;--fair:#f0c04d;--bad:#ff8f70}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","DejaVu Sans",sans-serif;overflow-wrap:anywhere}
main,header,footer{max-width:1296px;margin:0 auto;padding:0 12px}
header{padding-top:20px}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 4px;font-weight:650}
h2{font-size:1.2rem;line-height:1.3;margin:44px 0 10px;padding-top:14px;border-top:1px solid var(--line);
font-weight:650}
h3{font-size:1rem;margin:24px 0 8px;font-weight:650}
p{margin:6px 0;max-width:75ch}
a{color:var(--c0);text-underline-offset:2px}
.soft,.none{color:var(--soft)}
.none{font-size:.93em}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px;margin:12px 0}
table{border-collapse:collapse;font-size:.87rem;font-variant-numeric:tabular-nums;width:100%}
th,td{text-align:left;vertical-align:top;padding:7px 11px;border-bottom:1px solid var(--line);overflow-wrap:normal}
td.words{overflow-wrap:anywhere;min-width:7.5rem;max-width:16rem}
td.span{min-width:7.6rem}
th{font-weight:600;color:var(--soft);background:var(--card)}
tr:last-child td{border-bottom:0}
dl{display:grid;grid-template-columns:minmax(0,7.5rem) minmax(0,1fr);gap:5px 14px;margin:12px 0;font-size:.93rem}
dt{color:var(--soft)}
dd{margin:0;font-variant-numeric:tabular-nums;max-width:95ch}
dd span{display:block}
dd b{display:inline-block;font-weight:inherit;margin-right:1.1em}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:0 28px}
.pair dl{align-content:start}
.verdict{display:inline-block;font-size:.8rem;font-weight:650;line-height:1.3;padding:2px 9px;border-radius:99px;
border:1px solid currentColor;white-space:nowrap}
.valid{color:var(--good)}.suspect{color:var(--fair)}.invalid{color:var(--bad)}
.cautions{margin:10px 0;padding:0;list-style:none}
.cautions li{border-left:3px solid var(--line);padding:1px 0 1px 12px;margin:8px 0;max-width:95ch}
.cautions li.suspect{border-color:var(--fair);color:inherit}
.cautions li.invalid{border-color:var(--bad);color:inherit}
.cautions .advice{display:block;color:var(--soft)}
details.result{border:1px solid var(--line);border-radius:10px;margin:14px 0;padding:0 12px;background:var(--card)}
details.result>summary{cursor:pointer;padding:12px 0;font-weight:650}
details.result>summary .verdict{margin-left:6px}
details.text{margin:8px 0}
details.text summary{cursor:pointer;color:var(--soft)}
pre{white-space:pre-wrap;background:var(--card);border:1px solid var(--line);border-radius:8px;
padding:10px 12px;font-size:.82rem;margin:8px 0}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr));gap:26px 28px;
margin:16px 0 20px;grid-auto-flow:dense}
figure{margin:0;min-width:0;max-width:440px}
figure.tall{grid-row:span 2}
figcaption{font-size:.87rem;font-weight:650;margin-bottom:6px}
figure .none{margin:0;border-left:3px solid var(--line);padding-left:12px}
svg{display:block;width:100%;height:auto}
svg text{font-size:11.5px;fill:var(--soft);font-variant-numeric:tabular-nums}
svg text.title{fill:var(--ink)}
svg text.mark{fill:var(--ink);paint-order:stroke;stroke:var(--card);stroke-width:3px;stroke-linejoin:round}
.grid{stroke:var(--grid);stroke-width:1;fill:none}
.axis{stroke:var(--soft);stroke-width:1;fill:none}
.line,.dots,.few,.knots,.rule{fill:none;stroke-linecap:round;stroke-linejoin:round}
.line{stroke-width:1.6}.dots{stroke-width:1.8;stroke-opacity:.6}.few{stroke-width:3.2;stroke-opacity:.75}
.knots{stroke-width:5}.rule{stroke-width:1.5;stroke-linecap:butt}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}
.rule.s1{stroke-dasharray:none}.rule.s2{stroke-dasharray:6 3}.rule.s3{stroke-dasharray:2 3}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}
.f6{fill:var(--c6)}
.part{stroke:var(--card);stroke-width:1}
.held{fill:var(--held);fill-opacity:.13}.heldbar{fill:var(--held)}
footer{color:var(--soft);font-size:.87rem;padding-top:30px;padding-bottom:30px}
@media (max-width:480px){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:9px}
details.result{border-width:1px 0;border-radius:0;margin:14px -12px}}
@media print{details.result{break-inside:avoid}}
"""
"""Colours follow Okabe and Ito's palette for the colour-blind ("Color Universal Design", 2008), darkened or lightened
until letters and lines stand out of the paper; nothing is told by colour alone."""
