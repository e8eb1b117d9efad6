"""The page's HTML and CSS: kept apart from what fills them."""

from __future__ import annotations

from jinja2 import Environment, StrictUndefined

from nightshift.report.chart import DARK, LIGHT, RULES, variables


def environment() -> Environment:
    """Where the page is filled in: everything is escaped unless it says that it is markup."""
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.globals["style"] = STYLE
    return made


STYLE = f"""
:root {{ color-scheme: light dark; {variables(LIGHT)} --page: #f4f5f7; --good: #00805e; --watch: #9a5b00;
  --bad: #b3261e; --quiet: #4a5a6a; --wash: #fdecea; }}
@media (prefers-color-scheme: dark) {{ :root {{ {variables(DARK)} --page: #111417; --good: #2fc79a; --watch: #f0b04a;
  --bad: #ff8a80; --quiet: #9fb3c8; --wash: #3a2422; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, sans-serif; }}
main {{ max-width: 1060px; margin: 0 auto; padding: 20px 16px 60px; }}
header p, .small {{ color: var(--muted); font-size: .9rem; }}
header p {{ margin: 2px 0; }}
h1 {{ font-size: 1.15rem; margin: 0; font-weight: 650; }}
h2 {{ font-size: 1.1rem; margin: 0 0 10px; }}
h3 {{ font-size: 1rem; margin: 0; overflow-wrap: anywhere; }}
section {{ background: var(--paper); border: 1px solid var(--grid); border-radius: 10px; padding: 16px 18px;
  margin-top: 16px; }}
.tonight {{ border-left: 6px solid var(--tone); }}
.tonight .headline {{ font-size: 1.6rem; line-height: 1.25; font-weight: 700; margin: 2px 0 8px; color: var(--tone); }}
.tonight ul {{ margin: 8px 0; padding-left: 20px; }}
.good {{ --tone: var(--good); }} .watch {{ --tone: var(--watch); }}
.bad {{ --tone: var(--bad); }} .quiet {{ --tone: var(--quiet); }}
dl.facts {{ display: flex; flex-wrap: wrap; gap: 6px 28px; margin: 12px 0 0; }}
dl.facts dt {{ color: var(--muted); font-size: .8rem; }} dl.facts dd {{ margin: 0; }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; font-size: .9rem; }}
th {{ text-align: left; color: var(--muted); font-weight: 500; white-space: nowrap;
  border-bottom: 1px solid var(--grid); }}
td, th {{ padding: 6px 12px 6px 0; vertical-align: top; }}
td {{ border-bottom: 1px solid var(--grid); }}
tr:last-child td {{ border-bottom: 0; }}
.right {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
.nowrap {{ white-space: nowrap; }}
.why {{ min-width: 15rem; }}
tr.alarm td {{ background: var(--wash); }}
tr.alarm td:first-child {{ box-shadow: inset 4px 0 var(--bad); }}
td:first-child, th:first-child {{ padding-left: 10px; }}
.badge {{ color: var(--tone); font-weight: 650; white-space: nowrap; }}
/* On a phone the newest end of the timeline shows first. */
.wide {{ direction: rtl; }}
.wide svg.chart {{ display: block; min-width: 640px; direction: ltr; }}
.pictures {{ display: grid; gap: 20px 28px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 310px), 1fr)); }}
.pictures p {{ margin: 0 0 4px; }}
.pictures svg {{ width: 100%; }}
summary {{ cursor: pointer; color: var(--muted); padding: 8px 0; }}
td summary {{ color: inherit; padding: 0; }}
td details div {{ color: var(--muted); margin-top: 4px; }}
.split {{ display: grid; gap: 12px 28px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); }}
.split p {{ margin: 2px 0; }}
{RULES}
@media print {{ body {{ background: none; }} section {{ break-inside: avoid; }} }}
"""

PAGE = """
{% macro signal_rows(signals) %}
{% for one in signals %}
<tr{% if one.alarm %} class="alarm"{% endif %}><td>{{ one.column }}{% if one.segment %}
<div class="small">{{ one.segment }}</div>{% endif %}</td>
<td class="nowrap">{{ one.name }}</td><td class="right">{{ one.value }}</td><td class="right">{{ one.floor }}</td>
<td class="right">{{ one.p }}</td><td class="right">{{ one.weight }}</td><td>{{ "alarm" if one.alarm else "" }}
{% if one.note %}<span class="small">{{ one.note }}</span>{% endif %}</td></tr>
{% endfor %}
{% endmacro %}
{% macro signal_table(signals) %}
<div class="scroll"><table><thead><tr><th>column</th><th>measure</th><th class="right">effect</th>
<th class="right">matters from</th><th class="right">p-value</th><th class="right">importance</th><th></th></tr></thead>
<tbody>{{ signal_rows(signals) }}</tbody></table></div>
{% endmacro %}
{% macro night_table(nights) %}
<div class="scroll"><table><thead><tr><th>night</th><th>decision</th><th>why</th><th>model</th>
<th class="right">took</th></tr></thead><tbody>
{% for one in nights %}
<tr class="{{ one.tone }}"><td class="nowrap">{{ one.day }}</td><td class="badge">{{ one.came_to }}</td>
<td class="why">{% if one.more %}
<details><summary>{{ one.why }}</summary>{% for line in one.more %}<div>{{ line }}</div>{% endfor %}</details>
{% else %}{{ one.why }}{% endif %}</td>
<td class="nowrap">{{ one.model }}</td><td class="right">{{ one.seconds }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endmacro %}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ report.project }}: {{ headline }}</title>
<style>{{ style | safe }}</style>
</head>
<body>
<main>
<header>
<h1>{{ report.project }}</h1>
{% if report.purpose %}<p>{{ report.purpose }}</p>{% endif %}
<p>{% if report.owner %}{{ report.owner }} · {% endif %}written {{ day(report.written_at) }} UTC</p>
</header>

<section class="tonight {{ tone }}">
<div class="headline">{{ headline }}</div>
{% if reasons %}
<ul>{% for one in reasons %}<li>{{ one }}</li>{% endfor %}</ul>
{% endif %}
<dl class="facts">
{% for name, value in facts %}<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}
</dl>
</section>

{% if performance or timeline %}
<section>
<h2>Performance</h2>
<div class="split">
{% for name, words, rests_on in performance %}
<div><h3>{{ name }}</h3><p>{{ words }}</p><p class="small">{{ rests_on }}</p></div>
{% endfor %}
</div>
{% if timeline %}<div class="scroll wide">{{ timeline | safe }}</div>{% endif %}
</section>
{% endif %}

{% if signals %}
<section>
<h2>Drift: {{ alarms or "no" }} alarm{{ "" if alarms == 1 else "s" }} in {{ signals | length + more_signals | length }}
signals</h2>
{{ signal_table(signals) }}
{% if more_signals %}<details><summary>{{ more_signals | length }} more, none of them an alarm</summary>
{{ signal_table(more_signals) }}</details>{% endif %}
</section>
{% endif %}

{% if pictures %}
<section>
<h2>What drifted</h2>
<div class="pictures">
{% for name, words, chart in pictures %}
<div><h3>{{ name }}</h3><p class="small">{{ words }}</p>{{ chart | safe }}</div>
{% endfor %}
</div>
</section>
{% endif %}

{% if nights %}
<section>
<h2>Nights</h2>
{{ night_table(nights) }}
{% if more_nights %}<details><summary>{{ more_nights | length }} earlier nights</summary>
{{ night_table(more_nights) }}</details>{% endif %}
</section>
{% endif %}

{% if versions %}
<section>
<h2>Model versions</h2>
<div class="scroll"><table><thead><tr><th class="right">version</th><th>alias</th><th>as of</th>
<th class="right">holdout {{ report.metric }}</th><th class="right">baseline</th><th>data</th>
<th>commit</th><th>why</th>
</tr></thead><tbody>
{% for one in versions %}
<tr><td class="right">{{ one.number }}</td><td class="nowrap">{{ one.aliases }}</td>
<td class="nowrap">{{ one.as_of }}</td>
<td class="right">{{ one.holdout }}</td><td class="right">{{ one.baseline }}</td>
<td class="nowrap">{{ one.data }}</td>
<td class="nowrap">{{ one.commit }}</td><td class="why">{{ one.why }}</td></tr>
{% endfor %}
</tbody></table></div>
</section>
{% endif %}
</main>
</body>
</html>
"""
