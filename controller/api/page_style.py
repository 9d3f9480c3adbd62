"""How the page of `page` looks: by day and by night, on a phone and on a desk. No code."""

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --panel: #f5f7f9; --line: #d3d9df;
  --text: #1c2126; --quiet: #57606a; --link: #0b57d0;
  --get: #0b57d0; --post: #1a6e32; --put: #835400; --delete: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #101418; --panel: #181d23; --line: #343b43; --text: #e4e8ec; --quiet: #9ba5af;
    --link: #8ab4f8; --get: #8ab4f8; --post: #7fd195; --put: #e8b959; --delete: #ff938a; }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { background: var(--ground); color: var(--text); margin: 0;
  font: 16px/1.55 system-ui, sans-serif; overflow-wrap: break-word; }
.all { margin: 0 auto; max-width: 78rem; padding: 1.5rem 1rem 4rem; }
main { min-width: 0; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { border-bottom: 1px solid var(--line); font-size: 1.3rem; margin: 2.5rem 0 .75rem;
  padding-bottom: .25rem; }
h3 { color: var(--quiet); font-size: .8rem; letter-spacing: .05em; margin: 1.25rem 0 .35rem;
  text-transform: uppercase; }
p { margin: .5rem 0; max-width: 46rem; }
a { color: var(--link); text-underline-offset: .15em; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
code, pre { font: .875em/1.5 ui-monospace, monospace; }
code { overflow-wrap: anywhere; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0;
  overflow-x: auto; padding: .6rem .75rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li ul { display: none; }
nav > ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 1rem 0; }
nav a { display: inline-block; padding: .2rem 0; }
details { border: 1px solid var(--line); border-radius: 8px; margin: .5rem 0; }
details:has(:target) { border-color: var(--link); }
summary { align-items: baseline; cursor: pointer; display: flex; flex-wrap: wrap;
  gap: .1rem .75rem; padding: .6rem .75rem; }
summary::-webkit-details-marker { display: none; }
summary::after { border: solid var(--quiet); border-width: 0 2px 2px 0; content: ""; height: .5rem;
  margin-left: auto; rotate: 45deg; width: .5rem; }
[open] > summary::after { rotate: 225deg; }
summary:hover, [open] > summary { background: var(--panel); border-radius: 8px; }
summary code { min-width: 0; }
.body { padding: 0 .75rem .75rem; scroll-margin-top: 4.5rem; }
.quiet, .fixed { color: var(--quiet); }
.method { font: 700 .8rem/1.5 ui-monospace, monospace; min-width: 3.6rem; }
.get { color: var(--get); } .post { color: var(--post); } .put { color: var(--put); }
.delete { color: var(--delete); }
table { border-collapse: collapse; width: 100%; }
td, th { border-top: 1px solid var(--line); padding: .3rem .75rem .3rem 0; text-align: left;
  vertical-align: top; }
th { color: var(--quiet); font-size: .85rem; font-weight: 600; border-top: 0; }
td:first-child { min-width: 4.5rem; }
td:first-child code { overflow-wrap: normal; }
@media (min-width: 64rem) {
  .all { display: grid; gap: 3rem; grid-template-columns: 16rem 1fr; }
  nav { align-self: start; font-size: .875rem; max-height: 100vh; overflow-y: auto; top: 0;
    padding: 0 .25rem 1rem; position: sticky; }
  nav > ul { display: block; }
  nav > ul > li { margin-bottom: .75rem; }
  nav > ul > li > a { color: inherit; font-weight: 600; text-decoration: none; }
  nav li ul { display: block; }
  nav li li a { align-items: baseline; display: flex; gap: .5rem; text-decoration: none; }
  nav a:hover { text-decoration: underline; }
  nav .method { font-size: .68rem; min-width: 2.9rem; }
}
"""
