#include "report/page_style.h"

#include <fmt/format.h>

#include <string_view>

namespace pollmark {

namespace {

struct Colour {
  std::string_view name;
  std::string_view light;
  std::string_view dark;
};

// Text on bg and on card has a contrast of at least 4.5, lines and markers of series at least 3
// (WCAG 2.1 AA); a test computes them. h1..h5 are one hue from little to much loss, each with the
// text colour that goes on it.
constexpr Colour kColours[] = {
    {"bg", "#f7f7f5", "#101316"},      {"card", "#ffffff", "#181c20"},
    {"ink", "#16191d", "#e8eaed"},     {"muted", "#545b64", "#a8b0b9"},
    {"line", "#d9dce0", "#343b43"},    {"accent", "#0b5cad", "#7cb8f5"},
    {"warn-bg", "#fff1d9", "#3a2a10"}, {"warn-ink", "#714000", "#ffcf87"},
    {"bad", "#a3161f", "#ff9a94"},     {"good", "#17633a", "#7fd6a4"},
    {"s0", "#0b5cad", "#6cb2ff"},      {"s1", "#b8470b", "#ff9b63"},
    {"s2", "#0f7357", "#4fcaa3"},      {"s3", "#7b3fb5", "#c79bff"},
    {"s4", "#8a6100", "#e0b341"},      {"s5", "#b01e63", "#ff86bd"},
    {"h0", "#ffffff", "#101316"},      {"h0-ink", "#16191d", "#e8eaed"},
    {"h1", "#e6effa", "#1c2c3d"},      {"h1-ink", "#16191d", "#e8eaed"},
    {"h2", "#c3daf3", "#1f4163"},      {"h2-ink", "#16191d", "#f2f5f8"},
    {"h3", "#8fbce9", "#28619a"},      {"h3-ink", "#101316", "#ffffff"},
    {"h4", "#2868ae", "#76b1ea"},      {"h4-ink", "#ffffff", "#101316"},
    {"h5", "#123f78", "#c6e0fb"},      {"h5-ink", "#ffffff", "#101316"},
};

constexpr std::string_view kRules = R"css(
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1144px;margin:0 auto;padding:20px 16px 64px}
code,pre,.code{font-family:ui-monospace,"Cascadia Mono","SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
code{font-size:.92em;overflow-wrap:anywhere}
h1{font-size:1.15rem;font-weight:500;color:var(--muted);margin:.2rem 0 .5rem;overflow-wrap:anywhere;max-width:60ch}
.answer{font-size:clamp(1.3rem,1rem + 1.6vw,1.95rem);line-height:1.28;font-weight:650;letter-spacing:-.012em;margin:0 0 1rem;overflow-wrap:anywhere;max-width:46ch;text-wrap:pretty}
h2{font-size:1.18rem;margin:2.6rem 0 .3rem;line-height:1.3}
h3{font-size:.98rem;margin:1.4rem 0 .5rem}
h4{font-size:.86rem;font-weight:600;margin:0 0 .2rem;overflow-wrap:anywhere}
p{margin:.4rem 0 .8rem;max-width:76ch;overflow-wrap:anywhere}
.answer .more{display:block;font-size:1rem;font-weight:400;line-height:1.5;letter-spacing:0;margin-top:.6rem;max-width:76ch}
.answer.long{font-size:clamp(1.1rem,1rem + .7vw,1.4rem);line-height:1.36;max-width:64ch}
.brand{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:.84rem;color:var(--muted);border-bottom:1px solid var(--line);padding-bottom:10px;margin-bottom:22px;overflow-wrap:anywhere}
.brand b{color:var(--ink);letter-spacing:.01em}
.badge{display:inline-block;border:1.5px solid currentColor;border-radius:99px;padding:1px 11px;margin:0 6px 8px 0;font-size:.82rem;font-weight:650}
.badge.model,.badge.quick{color:var(--warn-ink);background:var(--warn-bg)}
.badge.small{font-size:.74rem;padding:0 9px;margin:0 0 0 8px;vertical-align:1px}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:1px;margin:1rem 0 0;padding:0;background:var(--line);border:1px solid var(--line);border-radius:9px;overflow:hidden}
.facts div{background:var(--card);padding:10px 14px}
.facts dt{font-size:.78rem;color:var(--muted)}
.facts dd{margin:0;font-size:1.12rem;font-weight:600;overflow-wrap:anywhere}
.facts small{display:block;font-size:.78rem;font-weight:400;color:var(--muted)}
.note,.small{font-size:.86rem;color:var(--muted)}
.warn{background:var(--warn-bg);color:var(--warn-ink);border-left:4px solid currentColor;border-radius:4px;padding:8px 12px;margin:.6rem 0;max-width:none;overflow-wrap:anywhere}
.bad{color:var(--bad)}.good{color:var(--good)}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:9px;background:var(--card);margin:.5rem 0 .8rem;max-width:100%}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.88rem}
th,td{padding:6px 11px;text-align:left;white-space:nowrap;border-bottom:1px solid var(--line);vertical-align:baseline}
tr:last-child>td,tr:last-child>th{border-bottom:0}
thead th{white-space:normal;font-size:.76rem;font-weight:600;color:var(--muted);vertical-align:bottom;border-bottom:1.5px solid var(--muted)}
tbody th{font-weight:500}
.n{text-align:right}
td.wide{white-space:normal;min-width:16em;overflow-wrap:anywhere}
tr.shared{display:none}tr.shared th{font-size:.8rem;font-weight:600;background:var(--bg);white-space:normal}
tr.none td,tr.none th{color:var(--muted)}
tr.none .state{color:var(--warn-ink);font-weight:600}
.heat td{text-align:center;vertical-align:middle;padding:12px 4px;font-size:.84rem;border:2px solid var(--card);font-weight:600}
.heat th{border-bottom:0;padding:6px 8px 6px 0;font-size:.82rem}
.heat thead th{white-space:normal;text-align:center}
.h0{background:var(--h0);color:var(--h0-ink)}.heat .h0{box-shadow:inset 0 0 0 1px var(--line)}
.h1{background:var(--h1);color:var(--h1-ink)}.h2{background:var(--h2);color:var(--h2-ink)}
.h3{background:var(--h3);color:var(--h3-ink)}.h4{background:var(--h4);color:var(--h4-ink)}
.h5{background:var(--h5);color:var(--h5-ink)}
.heat .absent{color:var(--muted);font-weight:400;font-size:.78rem;background:repeating-linear-gradient(135deg,var(--card) 0 6px,var(--bg) 6px 12px)}
.steps{display:flex;flex-wrap:wrap;gap:6px;list-style:none;padding:0;margin:.2rem 0 .6rem;font-size:.78rem}
.steps li{padding:1px 9px;border-radius:4px;border:1px solid var(--line)}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;padding:0;margin:.3rem 0 .5rem;font-size:.84rem}
.legend li{display:flex;align-items:center;gap:7px}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr));gap:12px;margin:.5rem 0}
.panel{background:var(--card);border:1px solid var(--line);border-radius:9px;padding:11px 11px 6px;min-width:0;break-inside:avoid}
.panel svg{width:100%;height:auto;display:block;max-width:440px}
.setup{width:100%;height:auto;display:block}
.setup.narrow{display:none;max-width:440px}
svg text{fill:var(--ink);font-family:inherit}
svg .code{font-family:ui-monospace,"Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:11.5px}
svg .num{font-size:12px;font-weight:600}
svg .name{font-size:13px;font-weight:650}
svg .fact{font-size:11.5px;fill:var(--muted)}
svg .dots .fact,.dots .fact{fill:var(--ink)}
svg .tick,svg .axis,svg .small{font-size:11px;fill:var(--muted)}
.grid{stroke:var(--line);stroke-width:1}
.axisline,.edge,.break{stroke:var(--muted);stroke-width:1;fill:none}
.edge{stroke-width:2}
.break{stroke:var(--card);stroke-width:2.5}
.rings .break{stroke:var(--muted);stroke-width:1}
.zero{stroke:var(--muted);stroke-width:1.3;stroke-dasharray:3 3}
.rule{stroke:var(--line);stroke-width:1}
.station{fill:var(--card);stroke:var(--muted);stroke-width:1.2}
.flow{stroke:var(--muted);stroke-width:1.6;fill:none}
.flowhead{fill:var(--muted)}
.fill0{fill:var(--s0)}
.slot{fill:none;stroke:var(--s0);stroke-width:1}
.core{fill:none;stroke:var(--s2);stroke-width:2}
.tick2{fill:none;stroke:var(--s2);stroke-width:2.4}
.bar.all{fill:var(--s0)}.bar.lost{fill:var(--s1)}.bar.open{fill:var(--bad)}
.curve{fill:none;stroke-width:2;stroke-linejoin:round}.curve.model{stroke-width:1}
.whisker{fill:none;stroke-width:1.6}
.dot{stroke-width:1.6}
.s0{stroke:var(--s0)}.s1{stroke:var(--s1)}.s2{stroke:var(--s2)}.s3{stroke:var(--s3)}.s4{stroke:var(--s4)}.s5{stroke:var(--s5)}
.s0.dot{fill:var(--s0)}.s1.dot{fill:var(--s1)}.s2.dot{fill:var(--s2)}.s3.dot{fill:var(--s3)}.s4.dot{fill:var(--s4)}.s5.dot{fill:var(--s5)}
.dot.hollow{fill:var(--card)}
.equation{font-size:.88rem;overflow-wrap:anywhere;margin:.5rem 0 .2rem;max-width:none}
details{margin:.3rem 0 .8rem}
summary{cursor:pointer;font-size:.86rem;color:var(--accent);padding:3px 0}
pre{background:var(--card);border:1px solid var(--line);border-radius:9px;padding:12px 14px;overflow-x:auto;font-size:.82rem;line-height:1.45;margin:.5rem 0}
ul.plain{padding-left:1.2em;margin:.4rem 0 .8rem}
ul.plain li{margin:.25rem 0;overflow-wrap:anywhere;max-width:90ch}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:12px}
@media (max-width:720px){.lead{display:none}tr.shared{display:table-row}.setup.wide{display:none}.setup.narrow{display:block}th,td{padding:6px 9px}}
@media print{html{font-size:72%}body{background:#fff;font-size:1rem}main{max-width:none;padding:0}.setup.wide{display:block}.setup.narrow{display:none}h2,h3,h4{break-after:avoid}.scroll{overflow:visible}pre{white-space:pre-wrap}tr,figure{break-inside:avoid}.heat td,.h0,.h1,.h2,.h3,.h4,.h5,.badge,.warn{-webkit-print-color-adjust:exact;print-color-adjust:exact}th,td{padding:3px 5px;white-space:normal;overflow-wrap:break-word}.n,.heat td{white-space:nowrap}td.wide{min-width:0}.panels{grid-template-columns:repeat(2,1fr)}}
)css";

}  // namespace

std::string page_style() {
  std::string light;
  std::string dark;
  for (const Colour& colour : kColours) {
    light += fmt::format("--{}:{};", colour.name, colour.light);
    dark += fmt::format("--{}:{};", colour.name, colour.dark);
  }
  return fmt::format(
      ":root{{color-scheme:light dark;{}}}\n"
      "@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n{}",
      light, dark, kRules);
}

std::string page_script() {
  return "(function(){var shut=[];"
         "addEventListener('beforeprint',function(){"
         "document.querySelectorAll('details:not([open])').forEach(function(d){d.open=true;"
         "shut.push(d)})});"
         "addEventListener('afterprint',function(){"
         "shut.forEach(function(d){d.open=false});shut=[]})})();";
}

}  // namespace pollmark
