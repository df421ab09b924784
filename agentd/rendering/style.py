"""The style sheet of an exported page: light and dark as the reader has it, from a phone's width on."""

SHEET = """
:root {
  --paper: #fdfdfc; --ink: #1f2328; --quiet: #656d76; --line: #d8dee4; --card: #f6f7f9; --mine: #eef4fd;
  --edge: #4a7fd4; --bad: #b3261e; --link: #0b57c4; --code: #f6f8fa;
  --prose: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
  --mono: ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181c; --ink: #e2e6ea; --quiet: #98a2ad; --line: #31373e; --card: #1c2025; --mine: #1b2635;
    --edge: #5d90dd; --bad: #ff8a80; --link: #80b1ff; --code: #1a1e23; color-scheme: dark;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 5rem; max-width: 50rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.65 var(--prose); overflow-wrap: break-word; }
a { color: var(--link); text-decoration-thickness: .06em; text-underline-offset: .18em; }
header h1 { margin: 0 0 1rem; font-size: 1.85rem; line-height: 1.25; letter-spacing: -.015em; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.1rem; margin: 0; font-size: .9rem; }
.facts dt { color: var(--quiet); }
.facts dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
nav { margin: 1.5rem 0 0; }
nav ol { margin: .4rem 0 0; padding: 0; list-style: none; font-size: .93rem; }
nav li { display: flex; gap: .7rem; padding: .12rem 0; }
nav li span { flex: 0 0 2.2em; color: var(--quiet); text-align: right; font-variant-numeric: tabular-nums; }
nav a { color: inherit; text-decoration: none; min-width: 0; overflow-wrap: anywhere; }
nav a:hover { text-decoration: underline; }
.turn { margin-top: 2.2rem; padding-top: 1.6rem; border-top: 1px solid var(--line); scroll-margin-top: .5rem; }
.turn > .meta { display: flex; flex-wrap: wrap; gap: .1rem .8rem; margin: 0 0 .8rem; color: var(--quiet);
  font-size: .82rem; }
.meta a { color: inherit; font-weight: 600; text-decoration: none; }
.meta a:hover { text-decoration: underline; }
.prompt { margin: 0 0 1.1rem; padding: .7rem 1rem; background: var(--mine); border-left: 3px solid var(--edge);
  border-radius: 0 .5rem .5rem 0; }
.prompt > :first-child, .reply > :first-child, .body > :first-child { margin-top: 0; }
.prompt > :last-child, .reply > :last-child, .body > :last-child { margin-bottom: 0; }
.reply { margin: 1.1rem 0; }
.reply h1, .prompt h1, .body h1 { font-size: 1.35rem; }
.reply h2, .prompt h2, .body h2 { font-size: 1.2rem; }
.reply h3, .prompt h3, .body h3 { font-size: 1.05rem; }
h1, h2, h3, h4 { line-height: 1.3; margin: 1.5em 0 .5em; }
p, ul, ol, blockquote, pre, .wide { margin: .75em 0; }
ul, ol { padding-left: 1.5em; }
li > p { margin: .3em 0; }
blockquote { margin-left: 0; padding-left: 1em; border-left: 3px solid var(--line); color: var(--quiet); }
hr { border: 0; border-top: 1px solid var(--line); margin: 1.5em 0; }
code { font: .88em/1.5 var(--mono); background: var(--code); border: 1px solid var(--line); border-radius: .3em;
  padding: .08em .32em; overflow-wrap: anywhere; }
pre { position: relative; background: var(--code); border: 1px solid var(--line); border-radius: .5rem;
  padding: .8rem 1rem; overflow-x: auto; tab-size: 4; font-size: .84rem; line-height: 1.5; }
pre code { font-size: inherit; background: none; border: 0; padding: 0; overflow-wrap: normal; white-space: pre; }
pre.out code { white-space: pre-wrap; overflow-wrap: anywhere; }
pre.out { max-height: 32rem; overflow-y: auto; }
pre[data-language]::after { content: attr(data-language); position: absolute; top: .25rem; right: .6rem;
  font: .7rem var(--prose); color: var(--quiet); pointer-events: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .93rem; }
th, td { padding: .35rem .75rem; border: 1px solid var(--line); text-align: left; vertical-align: top;
  min-width: 5.5em; overflow-wrap: normal; }
th { background: var(--card); }
.right { text-align: right; }
.center { text-align: center; }
details { margin: .6rem 0; border: 1px solid var(--line); border-radius: .5rem; background: var(--card);
  font-size: .95rem; }
details > summary { padding: .42rem .85rem; cursor: pointer; color: var(--quiet); overflow-wrap: anywhere; }
details > summary b { color: var(--ink); font-weight: 600; }
details > summary code { background: none; border: 0; padding: 0; color: var(--quiet); }
details > .body { padding: .2rem .95rem .85rem; }
details > .body > .label { margin: .8rem 0 .3rem; font-size: .78rem; color: var(--quiet); }
details pre { background: var(--paper); }
.thinking > .body { color: var(--quiet); font-size: .93rem; }
.state { float: right; margin-left: .8rem; color: var(--bad); font-size: .8rem; }
.notice, .ended { margin: .9rem 0; padding: .45rem .85rem; border-left: 3px solid var(--line); color: var(--quiet);
  font-size: .92rem; }
.ended { border-color: var(--bad); color: var(--bad); }
.image::before { content: "\\1F5BC\\FE0E\\00A0"; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--quiet);
  font-size: .82rem; }
@media (max-width: 34rem) {
  body { padding: 1.4rem .9rem 3rem; line-height: 1.6; }
  header h1 { font-size: 1.45rem; }
  .facts { grid-template-columns: 5.6rem 1fr; gap: .15rem .6rem; font-size: .85rem; }
  pre[data-language]::after { content: none; }
  pre { padding: .65rem .75rem; }
}
@media print {
  body { max-width: none; padding: 0; }
  pre, pre.out { max-height: none; white-space: pre-wrap; overflow: visible; }
  pre code { white-space: pre-wrap; }
  .prompt, details { break-inside: avoid-page; }
}
"""
