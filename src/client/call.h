/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to an API server. A client is one pool of connections with one identity; a call is one request,
 * embedded in its owner:
 *
 *   c->call.done = on_got;
 *   sp_call_start(client, &c->call, &(sp_ask){.verb = SP_ASK_GET, .gvr = SP_PODS, .ns = ns, .name = name});
 *
 * Errors arrive in `done` like answers do, always from the loop and once, so a caller has one place for them.
 * Answers 429 and 5xx with Retry-After are waited for and asked again, up to 10 times within the deadline, as
 * client-go does. U: client-go rest/request.go.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "client/config.h"

typedef struct sp_http_connector sp_http_connector;
typedef struct sp_client sp_client;

/* ---- resources ---- */

typedef struct sp_gvr {
	sp_str group, version, resource; /* "" for the core group; the plural */
} sp_gvr;

#define SP_GVR(group_, version_, resource_) ((sp_gvr){SP_STR(group_), SP_STR(version_), SP_STR(resource_)})
#define SP_PODS SP_GVR("", "v1", "pods")
#define SP_NODES SP_GVR("", "v1", "nodes")
#define SP_NAMESPACES SP_GVR("", "v1", "namespaces")
#define SP_SERVICES SP_GVR("", "v1", "services")
#define SP_ENDPOINTS SP_GVR("", "v1", "endpoints")
#define SP_SECRETS SP_GVR("", "v1", "secrets")
#define SP_CONFIGMAPS SP_GVR("", "v1", "configmaps")
#define SP_SERVICEACCOUNTS SP_GVR("", "v1", "serviceaccounts")
#define SP_EVENTS_CORE SP_GVR("", "v1", "events")
#define SP_REPLICATIONCONTROLLERS SP_GVR("", "v1", "replicationcontrollers")
#define SP_PERSISTENTVOLUMES SP_GVR("", "v1", "persistentvolumes")
#define SP_PERSISTENTVOLUMECLAIMS SP_GVR("", "v1", "persistentvolumeclaims")
#define SP_RESOURCEQUOTAS SP_GVR("", "v1", "resourcequotas")
#define SP_REPLICASETS SP_GVR("apps", "v1", "replicasets")
#define SP_DEPLOYMENTS SP_GVR("apps", "v1", "deployments")
#define SP_DAEMONSETS SP_GVR("apps", "v1", "daemonsets")
#define SP_STATEFULSETS SP_GVR("apps", "v1", "statefulsets")
#define SP_CONTROLLERREVISIONS SP_GVR("apps", "v1", "controllerrevisions")
#define SP_JOBS SP_GVR("batch", "v1", "jobs")
#define SP_CRONJOBS SP_GVR("batch", "v1", "cronjobs")
#define SP_LEASES SP_GVR("coordination.k8s.io", "v1", "leases")
#define SP_EVENTS_V1 SP_GVR("events.k8s.io", "v1", "events")
#define SP_RUNTIMECLASSES SP_GVR("node.k8s.io", "v1", "runtimeclasses")
#define SP_SERVICECIDRS SP_GVR("networking.k8s.io", "v1", "servicecidrs")
#define SP_ENDPOINTSLICES SP_GVR("discovery.k8s.io", "v1", "endpointslices")
#define SP_VOLUMEATTACHMENTS SP_GVR("storage.k8s.io", "v1", "volumeattachments")
#define SP_CSIDRIVERS SP_GVR("storage.k8s.io", "v1", "csidrivers")

/* ---- clients ---- */

typedef struct sp_client_opts {
	const sp_client_config *config; /* copied */
	sp_str user_agent; /* "sampan-scheduler/0.1 (linux/amd64)"; what stands before '/' is the default
			      field manager */
	const sp_http_connector *connector; /* NULL: TCP and TLS */
} sp_client_opts;

sp_code sp_client_new(sp_world *w, const sp_client_opts *o, sp_client **ret, sp_err *err) SP_MUST_USE;
/* Ends every call and watch with SP_ECANCELED; done comes once, when no connection is left. New calls end
 * with SP_ECANCELED too. */
void sp_client_close(sp_client *c, void (*done)(void *arg), void *arg);
/* After close's done, or before the first call. NULL is a no-op. */
void sp_client_free(sp_client *c);
sp_world *sp_client_world(const sp_client *c);
/* The files it was configured by have changed: reads them again, soon. Harmless for others. */
void sp_client_renew(sp_client *c);

/* ---- calls ---- */

typedef enum sp_ask_verb {
	SP_ASK_GET,
	SP_ASK_LIST,
	SP_ASK_CREATE,
	SP_ASK_UPDATE,
	SP_ASK_JSON_PATCH,
	SP_ASK_MERGE_PATCH,
	SP_ASK_STRATEGIC_PATCH,
	/* A merge patch for those whose role allows updates and no patches, as most of upstream's do: the
	 * object is read as caches are (a list of one, by whoever the connections are), changed here and put.
	 * It needs a name. */
	SP_ASK_MERGE_UPDATE,
	SP_ASK_APPLY, /* server-side; the body is JSON */
	SP_ASK_DELETE,
	SP_ASK_DELETE_ALL, /* deletecollection */
} sp_ask_verb;

/* What is asked. Everything is copied or referenced by sp_call_start; zero members do nothing. */
typedef struct sp_ask {
	sp_ask_verb verb;
	sp_gvr gvr;
	sp_str ns, name, subresource;
	sp_str path;     /* instead of all of these: "/version", for GET, POST (CREATE) and PUT */
	sp_str query;    /* more parameters, encoded: "limit=5&fieldSelector=…" (sp_query_add) */
	sp_str accept;   /* empty: application/json; a constant: it is not copied */
	sp_str body;     /* JSON; for deletes DeleteOptions */
	sp_bytes *bytes; /* the body by reference instead */
	sp_str manager;  /* field manager; empty: from the user agent. APPLY needs one or the other */
	bool force;      /* APPLY */
	bool as_cache;   /* asked by whoever the connections are, as caches are filled; for reads */
	bool dry_run;
	uint64_t within_ns;  /* for all tries; 0: 30 s */
	size_t answer_bytes; /* limit of the answer; 0: 16 MiB */
} sp_ask;

/* Texts are good during `done`. */
typedef struct sp_answer {
	sp_code code;    /* SP_OK: 2xx. Else from the Status' reason, or of the transport */
	uint16_t status; /* HTTP; 0: no answer came */
	sp_str body;
	sp_str reason, message; /* of a Status that is a failure: "AlreadyExists", … */
	sp_str content_type;
	uint32_t retry_after_s; /* from the header or the Status */
	const sp_err *err;      /* what to log: message and code; NULL with SP_OK */
} sp_answer;

typedef struct sp_call {
	void (*done)(struct sp_call *c, const sp_answer *a);
	void *arg;               /* the owner's */
	struct sp_call_run *run; /* of call.c; NULL while nothing is under way */
} sp_call;

/* The call stays in place until `done`, in which it may be started again or released. Not while it is under
 * way. */
void sp_call_start(sp_client *c, sp_call *call, const sp_ask *ask);
/* No `done` any more; the server may have done what was asked. Harmless when nothing is under way. */
void sp_call_cancel(sp_call *call);
static inline bool sp_call_is_running(const sp_call *c)
{
	return c->run != NULL;
}

/* The code that a Status stands for: by its reason, else by the HTTP status. */
sp_code sp_code_of_status(sp_str reason, uint16_t http_status);

/* Appends "key=value", the value percent-encoded, with "&" before it when the buffer is not empty. */
sp_code sp_query_add(sp_buf *out, const char *key, sp_str value);
