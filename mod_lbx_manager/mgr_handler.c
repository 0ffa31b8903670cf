/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses.  See mgr_handler.h.
 *
 * Bound: httpd, APR.
 */
#include "mgr_handler.h"

#include "http_protocol.h"

#include "mgr_action.h"
#include "mgr_api.h"
#include "mgr_metrics.h"
#include "mgr_page.h"
#include "mgr_xml.h"

static int handle_page(request_rec *r)
{
    struct mgr_view *v;
    int xml = 0, rc = OK;

    r->allowed |= (AP_METHOD_BIT << M_GET) | (AP_METHOD_BIT << M_POST);
    if (r->method_number != M_GET && r->method_number != M_POST) {
        return DECLINED;
    }
    v = apr_palloc(r->pool, sizeof(*v));
    mgr_view_start(v, r);
    if (r->method_number == M_POST) {
        rc = mgr_action_post(v, &xml);
    } else {
        mgr_action_get(v, &xml);
    }
    if (rc != OK) {
        return rc;
    }
    mgr_guard_head(r);
    if (xml) {
        mgr_xml_write(v);
    } else {
        mgr_page_write(v);
    }
    return OK;
}

int mgr_handler(request_rec *r)
{
    const char *rest;

    if (!r->handler) {
        return DECLINED;
    }
    if (!strcmp(r->handler, "lbx-metrics")) {
        return mgr_metrics_handle(r, 1);
    }
    if (strcmp(r->handler, "balancer-manager") != 0) {
        return DECLINED;
    }
    rest = strstr(r->uri, "/-/");
    return rest ? mgr_api_handle(r, rest + 3) : handle_page(r);
}
