# SPDX-License-Identifier: Apache-2.0
"""Modules that were built for another httpd must not start: mod_proxy's structs differ in size.

What it is: mod_proxy with another module magic number written into its record.
"""

import re
import struct

from lab import layout


LAYOUTS = (124, 130, 138)  # as in core_param.c


def layout_of(minor):
    return sum(first <= minor for first in LAYOUTS)


def other_proxy(lab, minor=None):
    """A copy of mod_proxy whose record says so; None: what the real one says."""
    data = bytearray((layout.modules_dir() / "mod_proxy.so").read_bytes())
    # version, minor_version, module_index -1: the beginning of each module's record
    found = [m.start() for m in re.finditer(re.escape(struct.pack("<i", 20120211)), data)]
    places = [i for i in found if struct.unpack_from("<ii", data, i + 4)[1] == -1]
    assert len(places) == 1, places
    if minor is None:
        return struct.unpack_from("<i", data, places[0] + 4)[0]
    struct.pack_into("<i", data, places[0] + 4, minor)
    path = lab.dir / f"mod_proxy_{minor}.so"
    path.write_bytes(data)
    return path


def said_with(lab, minor):
    web = lab.httpd("", start=False)
    conf = web.conf_path.read_text()
    web.conf_path.write_text(re.sub(r'(?m)^(LoadModule proxy_module) .*$',
                                    rf'\1 "{other_proxy(lab, minor)}"', conf))
    return web.configtest()


def test_another_layout_is_refused(lab):
    own = layout_of(other_proxy(lab))
    for minor in [m for m in (123, 129, 137, 999) if layout_of(m) != own]:
        status, said = said_with(lab, minor)
        assert status != 0 and "LBX0202: mod_lbx_core was built for another httpd" in said, said
        assert f"mod_proxy has 20120211:{minor}" in said, said


def test_another_version_of_the_same_layout_is_not(lab):
    own = other_proxy(lab)
    same = next(m for m in (own + 1, own - 1) if layout_of(m) == layout_of(own))
    status, said = said_with(lab, same)
    assert status == 0, said
