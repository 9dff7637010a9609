/* SPDX-License-Identifier: Apache-2.0 */
/* A pull's own: what its files share. */
#pragma once

#include "io/tls/sha256.h"
#include "runtime/image/reference.h"
#include "runtime/image/registry.h"
#include "runtime/image/store_int.h"

#define IMAGE_ACCEPT                                                                   \
	IMAGE_TYPE_OCI_INDEX ", " IMAGE_TYPE_OCI_MANIFEST ", " IMAGE_TYPE_DOCKER_INDEX \
			     ", " IMAGE_TYPE_DOCKER_MANIFEST ", */*;q=0.1"

typedef enum pull_part_state { PART_WAITING, PART_RUNNING, PART_DONE } pull_part_state;

/* One content that comes from a host: a layer, a configuration, a manifest by digest. */
typedef struct pull_part {
	image_pull *pull;
	sp_str digest;
	uint64_t size_bytes;
	sp_str kind; /* "blobs" or "manifests" */
	pull_part_state state;
	image_writer *writer;
	image_fetch *fetch;
	size_t i_host;
	unsigned n_failures; /* since the last byte */
	uint64_t at, told;   /* bytes that are there; of the last progress */
	bool restarting;     /* the writer begins anew */
	sp_timer retry;
	sp_err err; /* of the last failure */
} pull_part;

struct image_pull {
	image_op op;
	image_store *store;
	image_registry *registry;
	image_pull_opts opts;
	image_credentials credentials; /* text in `secrets` */
	sp_buf secrets;
	bool has_credentials;
	sp_arena arena;
	image_reference ref;
	image_platform platform;
	image_lease lease;
	image_load load;
	bool loading, committing, over;
	image_endpoint *endpoints;
	size_t n_endpoints;
	sp_str ns; /* "ns=docker.io" */

	/* resolving */
	size_t i_host;
	unsigned n_failures; /* of the last host in a row */
	sp_timer retry;
	image_fetch *fetch;
	sp_buf body;
	char content_type[128];
	bool too_large;
	sp_str target; /* digest of what the reference stands for */

	/* documents: index, manifest, configuration, one after the other */
	image_writer *saver;
	pull_part document;
	sp_work read_work;
	bool reading;
	sp_code read_code; /* the worker's */
	sp_err read_err;
	sp_str text; /* of the one that was read */
	bool want_config;
	unsigned depth;
	sp_str manifest_digest, manifest, config_text;
	image_document parsed;
	image_config config;

	/* layers */
	pull_part *layers;
	size_t n_layers, n_running, n_done;
	sp_strs chain_ids;
	layer_run *run;
	bool unpacked;
	image_entry *entry; /* held */
	image_commit commit;
	sp_defer later;
	sp_code code;
	sp_err err;
};

/* ---- parts.c ---- */

/* Gets a content into the store; image_pull_part_done follows. */
void pull_part_start(pull_part *p);
/* No event afterwards. */
void pull_part_stop(pull_part *p);

/* How long to wait after so many failures in a row, at least one; longer when the server says so. */
uint64_t pull_pause_ns(sp_world *w, unsigned n_failures, uint64_t retry_after_s);

/* ---- pull.c ---- */

void pull_part_done(pull_part *p, sp_code code, const sp_err *err);
void pull_part_progress(pull_part *p);
/* Reads the content `document` from the store and goes on with it. */
void pull_read_document(image_pull *p);
