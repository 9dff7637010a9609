/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a write's objects are in versions that a conversion webhook makes. It is asked before whoever wants to
 * see such a version is, once per version, and again when the object has changed. For
 * src/apiserver/admission.
 */
#pragma once

#include "apiserver/admission/match.h"
#include "apiserver/custom/convert.h"

/* Objects of a custom resource on their way from one version to another. */
typedef struct api_turn {
	api_write *w;                  /* there as long as this is under way */
	const api_resource *from, *to; /* held by the caller */
	yyjson_mut_val *objects[2];    /* NULL: none; in the end, trees of their own in the other version */
	void (*done)(struct api_turn *t);
	void *arg;
	/* the outcome */
	bool failed;
	sp_str why; /* in upstream's words */
	/* of shown.c */
	api_convert convert;
	api_convert_item items[2];
} api_turn;

/* True: it is over already, and `done` does not come. */
bool api_turn_start(api_turn *t) SP_MUST_USE;

/* One version of a write's objects, in the write's arena. */
typedef struct api_shown {
	struct api_shown *next;
	sp_str version;
	yyjson_mut_val *object, *old;
	sp_str why; /* they can't be had; empty: here they are */
} api_shown;

/* The write's objects in that version; NULL: nobody asked for it since they changed. */
const api_shown *api_shown_find(const api_write *w, const api_resource *res);
/* Keeps the outcome of a turn of the object and the old one. False: no room. */
bool api_shown_keep(api_turn *t) SP_MUST_USE;
/* The object is another one from now on. */
void api_shown_forget(api_write *w);

/* Stored parameters of one kind that policies want to see. */
typedef struct api_wanted_params {
	struct api_wanted_params *next;
	const api_resource *res;
	api_convert_item *items;
	size_t n, cap;
} api_wanted_params;

/* Versions that somebody wants to see. */
#define API_WANTED_MAX 16u
typedef struct api_wanted {
	api_match_held held;
	const api_resource *items[API_WANTED_MAX];
	size_t n;
	api_wanted_params *params; /* in the write's arena; their records are references */
} api_wanted;
/* Notes one that has to be made by a webhook, each once. More than API_WANTED_MAX are dropped. */
void api_wanted_add(const api_admit *a, const api_resource *res, api_wanted *to);
/* Those of that kind, made empty when there are none yet. NULL: no room. */
api_wanted_params *api_wanted_params_of(const api_admit *a, const api_resource *res, api_wanted *to);

/* A parameter that a webhook converted; in the write's arena. */
typedef struct api_param_shown {
	struct api_param_shown *next;
	sp_str prefix, version, rest; /* of the kind, converted to, the key in the store */
	yyjson_mut_val *object;
} api_param_shown;
/* NULL: nobody asked for it, or it can't be had. */
yyjson_mut_val *api_param_shown_find(const api_write *w, const api_resource *res, sp_str rest);
