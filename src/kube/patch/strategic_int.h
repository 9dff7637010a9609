/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of strategic merge patch: strategic_list.c, for strategic.c only. */
#pragma once

#include "kube/patch/strategic.h"

typedef struct smp_run {
	sp_arena *arena;
	yyjson_mut_doc *doc;
	sp_patch_error *perr;
} smp_run;

/* The items of an array, to be reordered freely. */
typedef struct sp_smp_list {
	yyjson_mut_val **items;
	size_t n;
} sp_smp_list;

typedef sp_code (*sp_smp_merge_fn)(smp_run *r, const sp_schema *s, yyjson_mut_val *object,
				   yyjson_mut_val *patch, yyjson_mut_val **ret);

/* 500 with the text of a value in the middle. */
sp_code sp_smp_fail_value(smp_run *r, const char *before, yyjson_mut_val *v, const char *after, sp_str tail);

/* 500: $patch with another text than it may have. */
sp_code sp_smp_bad_directive(smp_run *r, yyjson_mut_val *directive, yyjson_mut_val *map);

/* NULL loads as empty. False: no room. */
bool sp_smp_list_load(sp_arena *a, sp_smp_list *l, yyjson_mut_val *array) SP_MUST_USE;
/* Copies of a list's items that have their merge key only. False: no room. */
bool sp_smp_list_keys(smp_run *r, sp_str merge_key, const sp_smp_list *l, sp_smp_list *ret) SP_MUST_USE;
void sp_smp_list_store(const sp_smp_list *l, yyjson_mut_val *array);

/* All items of both lists have one type, which is not a list; *ret_maps: it is an object. */
sp_code sp_smp_item_type(smp_run *r, const sp_smp_list *x, const sp_smp_list *y, bool *ret_maps) SP_MUST_USE;

/* l without the scalars of `gone`; l and the scalars of `more` without doubles. */
bool sp_smp_subtract(sp_arena *a, sp_smp_list *l, const sp_smp_list *gone) SP_MUST_USE;
bool sp_smp_union(sp_arena *a, sp_smp_list *l, const sp_smp_list *more) SP_MUST_USE;

/* Takes items with $patch out of `patch` and does what they say to `old`. */
sp_code sp_smp_special_items(smp_run *r, sp_str merge_key, sp_smp_list *old, sp_smp_list *patch) SP_MUST_USE;
/* Merges the items of the patch into `merged` by key, and appends new ones. */
sp_code sp_smp_merge_items(smp_run *r, const sp_schema *s, sp_str merge_key, sp_smp_list *merged,
			   const sp_smp_list *patch, sp_smp_merge_fn merge) SP_MUST_USE;

/* Every item of the patch that stays is in `wanted`, in the same relative order. */
sp_code sp_smp_check_order(smp_run *r, sp_str merge_key, const sp_smp_list *patch,
			   const sp_smp_list *wanted) SP_MUST_USE;
/*
 * Stores `merged` in `array`: items of `wanted` in its order, the others in the order of `server`, and the
 * two woven so that neighbours of `server` stay neighbours.
 */
sp_code sp_smp_order(smp_run *r, sp_str merge_key, const sp_smp_list *merged, const sp_smp_list *wanted,
		     const sp_smp_list *server, yyjson_mut_val *array) SP_MUST_USE;
