/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images from registries (OCI distribution-spec). Hosts, mirrors, certificates and rights come from
 * hosts.toml files in containerd's layout: CONFIG_DIR/<host>/hosts.toml, else CONFIG_DIR/_default/hosts.toml,
 * else the host itself.
 */
#pragma once

#include "runtime/image/store.h"

typedef struct image_registry image_registry;

typedef struct image_registry_opts {
	sp_str config_dir;   /* absolute, or empty: no files */
	sp_str ca_file;      /* whom to trust by default; empty = /etc/ssl/certs/ca-certificates.crt */
	uint32_t n_parallel; /* layers of one pull at a time; 0 = 3 */
	uint64_t stall_ns;   /* a pull without a byte for so long is given up; 0 = 5 min */
} image_registry_opts;

/* The client that pulls share: connections and tokens. */
sp_code image_registry_new(sp_world *w, const image_registry_opts *opts, image_registry **ret,
			   sp_err *err) SP_MUST_USE;
/* After all its pulls are done. */
void image_registry_close(image_registry *r, void (*done)(void *arg), void *arg);

/* Of the registry that the reference names; never shown to mirrors of other hosts. All empty: anonymous. */
typedef struct image_credentials {
	sp_str username, password;
	sp_str identity_token; /* a refresh token */
	sp_str registry_token; /* a bearer token as it is */
} image_credentials;

typedef enum image_stage {
	IMAGE_STAGE_RESOLVING,
	IMAGE_STAGE_WAITING,
	IMAGE_STAGE_DOWNLOADING,
	IMAGE_STAGE_DOWNLOADED,
	IMAGE_STAGE_UNPACKING,
	IMAGE_STAGE_DONE,
} image_stage;

/* One step of one part: the reference itself (digest empty) or a layer. Views are good during the call. */
typedef struct image_progress {
	image_stage stage;
	sp_str digest;
	size_t i_layer, n_layers;
	uint64_t done_bytes, total_bytes;
} image_progress;

typedef struct image_pull image_pull;

typedef struct image_pull_opts {
	sp_str reference;
	const image_credentials *credentials; /* copied; NULL: anonymous */
	sp_str os, architecture, variant;     /* empty = this machine's */
	bool no_unpack;                       /* contents only; image_rootfs_prepare unpacks later */
	void (*on_progress)(void *arg, const image_progress *p); /* may be NULL */
	/* Once, from the loop; the pull is gone afterwards. `img` is NULL on error. */
	void (*done)(void *arg, sp_code code, const image *img, const sp_err *err);
	void *arg;
} image_pull_opts;

/* SP_EINVAL: the reference. Errors of the registry come with done: SP_ENOTFOUND, SP_EUNAUTH, SP_EFORBIDDEN,
 * SP_ETOOMANY, SP_EUNAVAILABLE, SP_EPROTO (digests or sizes do not fit), SP_ETOOLARGE, SP_ECANCELED … */
sp_code image_pull_start(image_store *s, image_registry *r, const image_pull_opts *opts, image_pull **ret,
			 sp_err *err) SP_MUST_USE;
/* done follows with SP_ECANCELED. What was downloaded stays for the next attempt until image_collect. */
void image_pull_cancel(image_pull *p);
