/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON documents of images: index (docker: manifest list), manifest, configuration. Bytes from strangers:
 * everything is checked that is used; what nobody here uses is not looked at. Views are of the arena.
 */
#pragma once

#include "runtime/image/image.h"

#define IMAGE_DOCUMENT_BYTES ((size_t)4 << 20) /* of one document; registries' own limit */
#define IMAGE_LAYERS_MAX 500u                  /* as many lower directories overlayfs takes */
#define IMAGE_INDEX_MAX 1000u                  /* entries of one index */

#define IMAGE_TYPE_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define IMAGE_TYPE_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define IMAGE_TYPE_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define IMAGE_TYPE_OCI_LAYER "application/vnd.oci.image.layer.v1.tar"
#define IMAGE_TYPE_DOCKER_INDEX "application/vnd.docker.distribution.manifest.list.v2+json"
#define IMAGE_TYPE_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

typedef struct image_platform {
	sp_str os, architecture, variant;
} image_platform;

typedef struct image_descriptor {
	sp_str media_type, digest;
	uint64_t size_bytes;
	image_platform platform; /* of an index' entry; empty members: not said */
	sp_str ref_name,
		full_name; /* annotations org.opencontainers.image.ref.name and io.containerd.image.name */
} image_descriptor;

typedef enum image_document_kind { IMAGE_DOCUMENT_INDEX, IMAGE_DOCUMENT_MANIFEST } image_document_kind;

typedef struct image_document {
	image_document_kind kind;
	sp_str media_type;
	/* of an index: */
	const image_descriptor *entries;
	size_t n_entries;
	/* of a manifest: */
	image_descriptor config;
	const image_descriptor *layers; /* lowest first */
	size_t n_layers;
} image_document;

/*
 * An index or a manifest. `media_type` is what it was announced as, or empty. SP_EPROTO: malformed, both at
 * once, or not what was announced; SP_EUNSUPPORTED: another kind (docker schema 1, an artifact);
 * SP_ETOOLARGE.
 */
sp_code image_document_parse(sp_arena *a, sp_str text, sp_str media_type, image_document *ret,
			     sp_err *err) SP_MUST_USE;

/* SP_EPROTO: malformed, or no configuration of an image. */
sp_code image_config_parse(sp_arena *a, sp_str text, image_config *ret, sp_err *err) SP_MUST_USE;

/* The platform of this program; members of `want` replace its own. */
image_platform image_platform_or_own(const image_platform *want);
/* The best entry: same architecture and variant, or the best that this variant runs; NULL: none. Entries that
 * are no image (attestations) have the platform unknown/unknown and never fit. */
const image_descriptor *image_index_pick(const image_document *index, const image_platform *want);

/* The chain id of each layer from the diff ids; room for n digests. SP_ENOMEM. */
sp_code image_chain_ids(sp_arena *a, const sp_strs *diff_ids, sp_strs *ret, sp_err *err) SP_MUST_USE;
