/* SPDX-License-Identifier: Apache-2.0 */
/* What an image says about itself, read from its manifest and configuration (OCI image-spec, docker schema
 * 2). */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef struct image_label {
	sp_str key, value;
} image_label;

/* The part of the configuration that matters to whoever runs a container. Empty where the image says nothing.
 */
typedef struct image_config {
	sp_str architecture, os, variant;
	sp_str user;        /* "", "uid", "uid:gid", "name", "name:group" */
	sp_str working_dir; /* "" or a path */
	sp_str stop_signal; /* "", "SIGTERM", "15" */
	sp_str created;     /* RFC 3339 text as it stands there */
	sp_strs env;        /* "KEY=value" in their order */
	sp_strs entrypoint, cmd;
	sp_strs volumes;       /* paths */
	sp_strs exposed_ports; /* "80/tcp" */
	const image_label *labels;
	size_t n_labels;
	sp_strs diff_ids; /* "sha256:…" of the uncompressed layers, lowest first */
} image_config;

/*
 * An image of the store. All views are good until the store changes: during the present callback of the loop
 * at most. What must last is copied.
 */
typedef struct image {
	sp_str id;              /* digest of the configuration: "sha256:" and 64 digits */
	sp_str manifest_digest; /* of the manifest that was chosen for this platform */
	sp_strs tags;           /* "docker.io/library/busybox:1.36", in the order they came */
	sp_strs digests;        /* "docker.io/library/busybox@sha256:…" */
	uint64_t size_bytes;    /* manifest, configuration and layers as they stand in the content store */
	image_config config;
	bool pinned; /* neither removed by collection nor counted as unused */
} image;
