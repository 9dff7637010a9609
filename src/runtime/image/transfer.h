/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images in files: OCI layouts (a directory or a tar) and docker archives (`docker save`). A tar may be both;
 * the layout then counts.
 */
#pragma once

#include "runtime/image/store.h"

typedef struct image_import_opts {
	sp_str path;      /* absolute: a directory or a tar file */
	sp_str shown;     /* what it is called in messages; empty: the path */
	sp_str base_name; /* "registry.example/app": of images whose name is only a tag; may be empty */
	sp_str os, architecture, variant; /* of images with several; empty = this machine's */
	/* Once: the names that were made, good during the call. */
	void (*done)(void *arg, sp_code code, sp_strs names, const sp_err *err);
	void *arg;
} image_import_opts;

/* Contents, names; layers are unpacked by image_rootfs_prepare. Nothing but contents is left behind by an
 * error. */
void image_import(image_store *s, const image_import_opts *opts);

typedef struct image_export_opts {
	const sp_str *references;
	size_t n_references;
	sp_str path; /* absolute: the tar to write, replaced in one step. Both an OCI layout and a docker
			archive */
	image_done *done;
	void *arg;
} image_export_opts;

void image_export(image_store *s, const image_export_opts *opts);
