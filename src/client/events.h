/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event recorder. An event that repeats within 10 minutes (same object, type, reason, message, source)
 * becomes a count of the first one; many that differ only in their message (from the 10th on) become one
 * "(combined from similar events): …"; a source may write 25 about one object at once and then one in 5
 * minutes. Events are written behind the caller's back, one after the other, at most 1,000 waiting: more are
 * dropped, with a count in the log. U: client-go tools/record (core) and tools/events (events.k8s.io).
 */
#pragma once

#include "client/call.h"

typedef struct sp_log sp_log;
typedef struct sp_events sp_events;

typedef struct sp_events_opts {
	sp_client *client;
	sp_log *log;      /* NULL: silent */
	sp_str component; /* "deployment-controller" */
	sp_str host;      /* of the source; may be empty */
	bool series;      /* events.k8s.io/v1 with series, as kube-scheduler; else core/v1 with counts */
} sp_events_opts;

/* Texts are copied. */
sp_code sp_events_new(const sp_events_opts *o, sp_events **ret, sp_err *err) SP_MUST_USE;
/* Drops what waits. */
void sp_events_free(sp_events *e);

/* What an event is about. */
typedef struct sp_event_ref {
	sp_str api_version, kind, ns, name, uid, revision, field_path;
} sp_event_ref;

typedef struct sp_event {
	sp_event_ref about;
	const sp_event_ref *related; /* may be NULL */
	bool is_warning;             /* type Warning, else Normal */
	sp_str reason;               /* "ScalingReplicaSet" */
	sp_str action;               /* series: "Binding"; empty: the reason */
	sp_str message;              /* cut to 1024 bytes */
	sp_str annotations;          /* a JSON object; empty: none */
} sp_event;

/* Never fails to the caller. Everything is copied. */
void sp_events_emit(sp_events *e, const sp_event *ev);
/* The same with printf text. */
void sp_events_emitf(sp_events *e, const sp_event_ref *about, bool is_warning, const char *reason,
		     const char *fmt, ...) SP_PRINTF(5, 6);
