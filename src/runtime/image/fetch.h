/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One GET from a registry's host: authentication, redirects, and what errors mean. No retries: those know
 * more than this does.
 */
#pragma once

#include "base/buf.h"
#include "runtime/image/challenge.h"
#include "runtime/image/hosts.h"
#include "runtime/image/pull.h"

#define IMAGE_ANSWER_BYTES ((size_t)256 << 10) /* of token servers and errors */

/* A host as one pull uses it, with what it has learned about its credentials. */
typedef struct image_endpoint {
	image_host host;
	const void *tls;                /* for host; NULL: plain */
	const void *default_tls;        /* for token servers and redirects elsewhere */
	const image_credentials *login; /* NULL: none */
	sp_str scope;                   /* "repository:library/busybox:pull" */
	image_auth auth;                /* what is sent; NONE: nothing yet */
	sp_buf token;                   /* of BEARER; cleansed */
	uint64_t token_until_ns;        /* 0: for good */
} image_endpoint;

#define IMAGE_SECRET_BYTES ((size_t)64 << 10) /* of a token, or a name and password */
void image_endpoint_done(image_endpoint *e);

typedef struct image_fetch image_fetch;

typedef struct image_fetch_events {
	/* 200 or 206 came; what follows is the body. `start` is where its first byte belongs. Length -1: not
	 * known. */
	void (*head)(void *arg, uint64_t start, int64_t length, sp_str content_type);
	void (*body)(void *arg, const uint8_t *bytes, size_t n);
	/* Once, last; the fetch is gone. SP_ENOTFOUND, SP_EUNAUTH, SP_EFORBIDDEN, SP_ETOOMANY,
	 * SP_EUNAVAILABLE, SP_EPROTO, SP_ETIMEOUT … `retry_after_s`: the server asks for patience; 0: it does
	 * not. */
	void (*done)(void *arg, sp_code code, uint64_t retry_after_s, const sp_err *err);
} image_fetch_events;

typedef struct image_fetch_opts {
	sp_http_client *http;
	image_endpoint *endpoint;
	sp_str path;   /* behind the prefix: "/library/busybox/manifests/latest" */
	sp_str query;  /* "ns=docker.io", or empty */
	sp_str accept; /* or empty */
	uint64_t offset;
	uint64_t idle_ns; /* without a byte for so long it is given up */
} image_fetch_opts;

/* Everything is copied but the endpoint. NULL: no memory. */
image_fetch *image_fetch_start(sp_world *w, const image_fetch_opts *opts, const image_fetch_events *events,
			       void *arg);
/* Whether body bytes are wanted; they are at first. */
void image_fetch_read(image_fetch *f, bool on);
/* No event afterwards. NULL is a no-op. */
void image_fetch_cancel(image_fetch *f);
