# SPDX-License-Identifier: Apache-2.0
"""What httpd's own manager and ours answer, made comparable: whatever differs is named here.

What it is: texts without what differs between two machines, without what ours has more, and
without what stock does otherwise.
What it is not: the configurations (the scenarios have those).
"""

import re

from page_help import PAGE, referer

HTTPD = "{http://httpd.apache.org}"


def ask(web, query=""):
    answer = web.get(PAGE + query, headers=referer(web))
    assert answer.status == 200, answer
    return answer


def same_machine(web, text):
    """Without what differs between two httpds of one kind."""
    text = text.replace(str(web.dir), "DIR").replace(str(web.port), "PORT")
    text = re.sub(r"(<select name='b_lbm' id='b_lbm'>)((?:<option .*\n)+)", lambda found: found[1]
                  + "".join(sorted(found[2].splitlines(True))), text)  # stock's order is chance
    return re.sub(r"\[p[0-9a-f]+_(\w+)\]", r"[pID_\1]", text)


def without_additions(text):
    """Ours, without what is documented to be more, and with what is documented to differ."""
    text = re.sub(r"<meta name='viewport'[^>]*>\n<link [^>]*>\n<script [^>]*></script>\n", "", text)
    text = re.sub(r"<div class='lbx-(more|note|events)'.*?</div>\n", "", text, flags=re.S)
    text = re.sub(r"<th>State</th><th>Limit</th><th>Failed</th><th>5xx</th>", "", text)
    text = re.sub(r"(<td>[^<]*</td>){4}</tr>\n(?=<tr>\n<td><a |</table>)", "</tr>\n", text)
    text = text.replace(" accept-charset='UTF-8'", "")
    text = re.sub(r"<option value='lab_.*\n", "", text)  # the lab module's own methods
    text = re.sub(r"(<tr><td>Add New Worker:.*?</td></tr>)", "", text)
    return text


def stocks(text):
    """Stock's, without what ours does otherwise: no inline style; forms go to the address
    without a host; a nonce is quoted like all other values."""
    text = re.sub(r"<style type='text/css'>.*?</style>\n", "", text, flags=re.S)
    text = re.sub(r'action="http://[^/]*', 'action="', text)
    text = re.sub(r"id='nonce' value='([^']*)'", r"id='nonce' value=" + r'"\1"', text)
    text = re.sub(r"(type=text value=)'([^']*)'", r'\1"\2"', text)
    text = re.sub(r"(<tr><td>Add New Worker:.*?</td></tr>)", "", text)
    return text


def one_space(xml):
    """Stock leaves out two line breaks."""
    xml = re.sub(r"(</httpd:timeout>)      (<httpd:maxatt|<httpd:lbm)", r"\1\n      \2", xml)
    return re.sub(r"(</httpd:ping>)        <", r"\1\n        <", xml)


def three_digits(xml):
    """Ours, as stock writes milliseconds: the last three digits."""
    return re.sub(r"(<httpd:(acquire|ping|connectiontimeout)>)(\d+)",
                  lambda found: found[1] + str(int(found[3]) % 1000), xml)


def checks_without_additions(text):
    """The form of a member with checks, ours: "none" can be chosen, stock has no way."""
    text = re.sub(r"<option value='' (selected)? ></option>\n", "", text)
    return text.replace("&#39;", "'")


def stocks_checks(text):
    """Likewise stock's: quotes."""
    return re.sub(r"(type='text' value=)'([^']*)'", r'\1"\2"', text)


def any_count(text):
    """How often a member failed a check so far: ours checks at once, stock after an interval."""
    return re.sub(r"<td>(\d+) \(\d+\)</td>", r"<td>\1 (n)</td>", text)
