/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `sampan image` can be asked for, done on a store: by the command itself, or by the runtime that has
 * the store open (runtime/image_service.h). What is printed and what goes wrong is the same in both.
 */
#pragma once

#include "runtime/image/pull.h"

#define IMAGE_VERB_ARGUMENTS 64u

typedef struct image_verb_info {
	const char *name, *usage, *summary;
	size_t n_min, n_max; /* arguments */
} image_verb_info;

extern const image_verb_info image_verbs[];
extern const size_t image_verbs_n;

/* NULL: there is none of the name. */
const image_verb_info *image_verb_find(sp_str name);

typedef struct image_verb image_verb;

/* All views are good until done. */
typedef struct image_verb_opts {
	const image_verb_info *verb;
	const sp_str *args; /* paths are absolute */
	size_t n_args;
	sp_str file;      /* import, export: where the first argument stands here; empty: at its path */
	bool all;         /* list: digests, too; prune: what no container uses, too */
	bool no_unpack;   /* pull */
	sp_str platform;  /* pull, import: "os/architecture[/variant]"; empty: this machine's */
	sp_str base_name; /* import */
	sp_str username, password; /* pull; empty: anonymous */
	/* Lines of the answer, with their ends. */
	void (*out)(void *arg, sp_str text);
	/* Steps of the pull of a reference. */
	void (*progress)(void *arg, sp_str reference, const image_progress *p);
	/* Once, also right inside image_verb_start; the verb is gone afterwards. */
	image_done *done;
	void *arg;
} image_verb_opts;

/* Does it. Arguments are checked: a wrong number is SP_EINVAL with the usage. `registry` may be NULL unless
 * the verb is pull. */
void image_verb_start(image_store *s, image_registry *registry, const image_verb_opts *opts,
		      image_verb **ret);
/* A pull ends with SP_ECANCELED; anything else goes on to its end. done comes in both cases. */
void image_verb_cancel(image_verb *v);
