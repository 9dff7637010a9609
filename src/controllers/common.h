/* SPDX-License-Identifier: Apache-2.0 */
/* What many controllers need: owners, times, conditions, bodies of status writes. */
#pragma once

#include "base/json_out.h"
#include "client/object.h"
#include "client/patch.h"
#include "controllers/controller.h"
#include "kube/selector.h"

/* ---- objects ---- */

/* A reference that is given back when the arena is reset. NULL: no memory (then none was taken). */
const sp_object *ctl_hold(sp_arena *a, const sp_object *o) SP_MUST_USE;

/* The controller among owner references. */
typedef struct ctl_owner {
	sp_str api_version, kind, name, uid;
} ctl_owner;
bool ctl_controller_of(sp_vlist owners, ctl_owner *ret);
/* The same of a cached object; texts of the object's own JSON. */
bool ctl_controller_of_object(sp_arena *a, const sp_object *o, ctl_owner *ret);

/* An index of those that no controller owns, by namespace. */
sp_index_fn ctl_index_orphans;

/* A label selector of a kind's spec; `map` tells that it is a plain map (ReplicationController). */
sp_code ctl_selector(sp_arena *a, yyjson_val *v, bool map, sp_selector *ret, sp_err *err) SP_MUST_USE;

/* Writes a member of `from` as it is there, into the object that is open; nothing when it has none. */
void ctl_copy_member(sp_jout *j, yyjson_val *from, const char *name);

/* ---- times ---- */

/* Now, to the second, as metav1.Time has it. In the arena; a constant when there is no room. */
sp_str ctl_now(sp_world *w, sp_arena *a);
int64_t ctl_now_s(sp_world *w);
/* Seconds since 1970 of a time's text; 0 when it is none. */
int64_t ctl_seconds(sp_str s);

/* ---- conditions ---- */

typedef struct ctl_condition {
	sp_str type, status, reason, message;
	sp_str transition, update, probe; /* lastTransitionTime, lastUpdateTime, lastProbeTime; empty: none */
	int64_t observed_generation;      /* 0: none */
} ctl_condition;

#define CTL_CONDITIONS_MAX 32u
typedef struct ctl_conditions {
	ctl_condition items[CTL_CONDITIONS_MAX]; /* more are dropped: none of ours has that many */
	size_t n;
	bool changed;
} ctl_conditions;

void ctl_conditions_read(sp_vlist list, ctl_conditions *ret);
ctl_condition *ctl_condition_find(ctl_conditions *c, const char *type);
/*
 * Sets one: nothing happens when status and reason (and, with `strict`, the message) are the same. The
 * transition time stays while the status does.
 */
void ctl_condition_set(ctl_conditions *c, const ctl_condition *now, bool strict);
void ctl_condition_remove(ctl_conditions *c, const char *type);
/* "conditions":[…] */
void ctl_conditions_write(sp_jout *j, const ctl_conditions *c);

/* ---- writes ---- */

/* Opens {"metadata":{"uid":…,"resourceVersion":…},"status":{ of a merge patch. The caller adds members and
 * closes twice. */
void ctl_status_open(sp_jout *j, const sp_object *base);

/* The object as an event's subject. */
sp_event_ref ctl_event_ref(const sp_object *o, const char *api_version, const char *kind);

/* A creation that the server refused because its namespace goes: with everything that is in it. */
bool ctl_namespace_goes(const sp_answer *answer);

/* What is there is as what would be written; NULL is as an empty list or object. */
bool ctl_is_same_json(sp_arena *a, yyjson_val *have, sp_str want);

/* The name of the object that a write was answered with, in the arena. */
sp_str ctl_name_of_answer(sp_arena *a, const sp_answer *answer);

/* An IntOrString: a number, or a percentage of `total`, rounded up or down; 0 for anything else. */
int64_t ctl_int_or_percent(yyjson_val *v, int64_t total, bool up);

/* The letters of a 32-bit hash, as upstream's SafeEncodeString writes its decimal digits: fit for names. */
#define CTL_HASH_BYTES 10u
size_t ctl_hash_text(char out[CTL_HASH_BYTES], uint32_t hash);
