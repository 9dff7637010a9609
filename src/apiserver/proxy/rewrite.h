/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links of a proxied server that point at itself, led through the proxy: in Location, and in the attributes
 * of HTML tags that hold URLs. HTML is read piece by piece; only a tag is held until it is whole, and one of
 * more than 64 KiB goes on as it is. Pages that are compressed are left alone (a request of somebody who
 * takes HTML asks for none). U: apimachinery pkg/util/proxy/transport.go.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "io/http.h"

typedef struct api_rewrite_place {
	sp_str prefix;  /* in front of paths, no slash at its end */
	sp_str address; /* "host:port" of the server */
	sp_str host;    /* what the client calls us */
} api_rewrite_place;

/* The URL as it is to be said; the same text when it leads elsewhere, is relative, or there is no room. */
sp_str api_rewrite_url(sp_arena *a, const api_rewrite_place *at, sp_str url);

/* Whether a body with these fields is a page to be read. */
bool api_rewrite_takes(const sp_http_fields *answer);

typedef struct api_rewrite api_rewrite;

/* Texts are copied. NULL: no memory. */
api_rewrite *api_rewrite_new(const api_rewrite_place *at);
/* NULL is a no-op. */
void api_rewrite_free(api_rewrite *w);
/* Takes a piece of the page and gives what can go on, good until the next call; with `last` all of it.
 * SP_ENOMEM. */
sp_code api_rewrite_feed(api_rewrite *w, sp_str piece, bool last, sp_str *ret);
