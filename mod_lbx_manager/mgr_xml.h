/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ?xml=1: the balancers and their members in httpd's own elements and namespace.
 *
 * Not here: what programs of today should read (mgr_api).
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_XML_H
#define MGR_XML_H

#include "mgr_view.h"

/* Writes the answer. */
void mgr_xml_write(const struct mgr_view *v);

#endif
