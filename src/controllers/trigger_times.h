/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the change happened that a write of endpoints carries on: the earliest of those that came since the
 * last look at a service, from pods' Ready conditions, or the service's creation at the first. It goes into
 * an annotation, by which the time that programming networks takes is measured. As upstream's it may be wrong
 * when one pod changes twice between two looks. U: k8s.io/endpointslice/util/trigger_time_tracker.go.
 */
#pragma once

#include "base/map.h"
#include "controllers/service_pods.h"

#define TRIGGER_TIME "endpoints.kubernetes.io/last-change-trigger-time"

typedef struct trigger_times {
	sp_map services; /* struct known by key; zero: empty */
} trigger_times;

void trigger_times_done(trigger_times *t);
void trigger_times_forget(trigger_times *t, sp_str key);

/* Notes what is (`pods` sorted by name, as svc_read_pods has them) and gives the time, a text of theirs;
 * empty: nothing changed that has a time. SP_ENOMEM changes nothing. */
sp_code trigger_times_look(trigger_times *t, sp_str key, sp_str created, const svc_pod *pods, size_t n,
			   sp_str *ret, sp_err *err) SP_MUST_USE;

/* Members of "annotations": those that are there but `without` and an older time, and the time when there is
 * one. */
void trigger_time_write(sp_jout *j, sp_vmap have, const char *without, sp_str time);
