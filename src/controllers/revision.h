/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ControllerRevisions: what a template was. Their data is the patch that brings the template back:
 * {"spec":{"template":{"$patch":"replace",…}}}, with sorted members, so that its text, its hash and the
 * revision's name are upstream's. U: kubernetes pkg/controller/history.
 */
#pragma once

#include "controllers/common.h"

#define CTL_REVISION_HASH "controller-revision-hash" /* label of revisions and their pods */

typedef struct ctl_revision {
	sp_str name, uid, created;
	sp_vmap labels;
	int64_t number;
	yyjson_val *data;
	/* derived */
	const sp_object *object; /* as cached; NULL: known from an answer only */
	bool is_equal;           /* to the present template */
	bool is_live;            /* not to be forgotten; the controller's to set */
} ctl_revision;

extern const sp_view_desc *const ctl_revision_view;

/* The label that its pods carry. */
static inline sp_str ctl_revision_hash_of(const ctl_revision *r)
{
	sp_str hash = sp_vmap_str(r->labels, SP_STR(CTL_REVISION_HASH));
	return hash.len > 0 ? hash : r->name;
}
/* The template it keeps, with "$patch" beside its members; NULL: none. */
yyjson_val *ctl_revision_template(const ctl_revision *r);

/* The text of the data for a PodTemplateSpec, in the arena. */
sp_code ctl_revision_data(sp_arena *a, yyjson_val *template_, sp_str *ret, sp_err *err) SP_MUST_USE;
/* Whether a revision is of that template: as values; what is null counts as absent. */
bool ctl_revision_is_of(const ctl_revision *r, yyjson_val *template_);
/* Of the data, and of how many collisions there were. */
size_t ctl_revision_hash(char out[CTL_HASH_BYTES], sp_arena *a, sp_str data, int64_t collisions);
/* By number, then age, then name. */
void ctl_revisions_sort(ctl_revision *all, size_t n);
/* The last that is_equal, or NULL. */
ctl_revision *ctl_revisions_equal(ctl_revision *all, size_t n);

/* A new one. */
typedef struct ctl_revision_new {
	const sp_object *owner;
	const char *owner_kind; /* of apps/v1 */
	sp_str name, hash, data;
	yyjson_val *template_; /* its labels are the revision's, too */
	sp_vmap annotations;
	int64_t number;
} ctl_revision_new;
/* Appends its body. Errors: those of the buffer. */
sp_code ctl_revision_write(sp_buf *out, const ctl_revision_new *n);
