/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the agent share: the agent, a pod's worker and its parts. */
#pragma once

#include "base/log.h"
#include "client/events.h"
#include "client/informer.h"
#include "client/review_cache.h"
#include "contracts/pod_files.h"
#include "io/grpc.h"
#include "io/tls.h"
#include "io/world.h"
#include "node/admission.h"
#include "node/agent.h"
#include "node/backoff.h"
#include "node/batch.h"
#include "node/config.h"
#include "node/counters.h"
#include "node/eviction.h"
#include "node/leftovers.h"
#include "node/preempt.h"
#include "node/pull_auth.h"
#include "node/redirect.h"
#include "node/status.h"
#include "node/summary.h"
#include "node/userns.h"

#define NODE_SECOND_NS UINT64_C(1000000000)
#define NODE_RETRY_NS (10 * NODE_SECOND_NS) /* after a failure that nothing will announce the end of */
#define NODE_CALL_TIMEOUT_NS (120 * NODE_SECOND_NS) /* of a runtime's answer */
#define NODE_SCRATCH_BYTES ((size_t)64 << 20)
#define NODE_PODS_MAX_DEFAULT 110
#define NODE_GRACE_LEAST_S 2 /* a container always gets that long to stop */

typedef struct node_worker node_worker;
typedef struct node_start node_start;
typedef struct node_stop node_stop;
typedef struct node_probes node_probes;
typedef struct node_local_path node_local_path;
typedef struct node_rotate node_rotate;
typedef struct node_statics node_statics;
typedef struct node_image_gc node_image_gc;
typedef struct node_disks node_disks;
typedef struct node_pressure_watch node_pressure_watch;

/* ---- objects that pods refer to (refs.c) ---- */

/* One config map, secret … that some pod uses, followed while it does. */
typedef struct node_ref {
	node_agent *agent;
	node_ref_kind kind;
	sp_str key; /* "kind/ns/name" */
	sp_str ns, name;
	uint32_t n_users;
	sp_informers *set; /* of its own: it is synced for itself */
	sp_informer *informer;
	sp_informer_watch watch;
} node_ref;

typedef struct node_refs {
	node_ref **at;
	size_t n, cap;
} node_refs;

/* Follows what the pod refers to, and nothing else any more. SP_ENOMEM. */
sp_code node_refs_update(node_agent *agent, node_refs *refs, const node_pod *p, sp_err *err) SP_MUST_USE;
void node_refs_clear(node_agent *agent, node_refs *refs);
/* Everything that is referred to has been asked for. */
bool node_refs_are_known(const node_refs *refs);
/* For node_objects.get; arg is the agent. */
sp_str node_refs_get(void *arg, node_ref_kind kind, sp_str ns, sp_str name);

/* ---- tokens of a pod (tokens.c) ---- */

typedef struct node_token node_token;
/* For node_tokens.get; arg is the worker. */
sp_str node_token_get(void *arg, sp_str audience, int64_t expiration_s);
void node_tokens_free(node_worker *w);

/* ---- claims of a pod (claims.c) ---- */

typedef struct node_claims node_claims;
/* Every claim that the pod uses stands for a volume. False: it is being asked for, or will be; a turn comes
 * then. */
bool node_claims_are_known(node_worker *w);
/* For node_volume_input.claim; arg is the worker. */
const node_claim_found *node_claims_find(void *arg, sp_str volume);
/* The i-th of them, with the claim's name; kind and path are empty while it stands for nothing. NULL: no
 * more. */
const node_claim_found *node_claims_at(const node_worker *w, size_t i, sp_str *ret_claim);
void node_claims_free(node_worker *w);

/* ---- workers ---- */

typedef enum node_stage {
	NODE_STAGE_RUN,
	NODE_STAGE_STOPPING, /* its containers end, for good */
	NODE_STAGE_STOPPED,  /* nothing of it runs */
} node_stage;

/* What is remembered about a container by name, from turn to turn. */
typedef struct node_memo {
	sp_str name;
	node_backoff restart, pull;
	uint64_t pull_image;           /* digest of the name of the image that `pull` is about */
	int64_t pull_failed_ns;        /* wall */
	uint64_t retry_at_ns;          /* monotonic; 0: at once */
	bool is_backing_off;           /* the event about it was written */
	char reason[40], message[512]; /* what it waits for; empty: nothing */
	char pull_error[256];
	uint32_t restarts_next; /* of the next life, while the runtime has none; 0: unknown */
	sp_str granted;         /* resources as they were granted, JSON, heap; empty: not yet */
	node_amounts actuated;
	bool has_actuated;
} node_memo;

struct node_worker {
	node_agent *agent;
	sp_list node; /* agent.workers */
	sp_str uid, ns, name;
	/* Of a static pod: what its file says and its path; NULL: it is a pod of the API. */
	sp_bytes *own, *own_path;
	char mirror_uid[64];     /* of its mirror; empty: there is none */
	const sp_object *latest; /* as the API has it; NULL: it has none (any more) */
	uint64_t parsed_revision;
	node_pod *pod; /* of the present turn; NULL before the first one of an orphan */
	node_stage stage;
	bool is_gone;   /* the API has none */
	bool was_known; /* the API had one */

	/* a turn: look, tell, do one thing */
	bool busy, dirty, is_freed;
	sp_defer turn;
	uint64_t first_seen_ns, turn_began_ns; /* monotonic */
	node_turn_kind turn_kind;
	bool had_turn, counted_start;
	sp_timer again;
	uint64_t again_at_ns; /* monotonic; 0: none */
	sp_arena scratch;
	node_seen seen;
	void (*observed)(node_worker *w);
	node_status status;
	node_batch batch;

	sp_str forced_phase, forced_reason; /* static texts, or rejected_reason */
	sp_str forced_message;              /* heap */
	int64_t evict_grace_s;              /* of an eviction; -1: it is none */
	sp_str disruption;                  /* told by a condition; empty: none */
	bool was_admitted, is_rejected, is_preempted;
	bool asks_node, knows_node; /* the node's object is, or was, asked for for its sake */
	uint64_t room_by_ns; /* monotonic: pods end to make room for it, and are waited for until then; 0: no
			      */
	char rejected_reason[384];

	node_memo *memos;
	size_t n_memos;
	node_refs refs;
	node_volumes volumes; /* of the present turn */
	node_env services;
	uint64_t volumes_made; /* digest of the plan that was carried out; 0: none */
	uint32_t n_mount_failures;
	uint64_t mount_retry_ns, sandbox_retry_ns; /* monotonic; 0: at once */
	node_pod_limits cgroup_limits;             /* as they were written last */
	node_resize_state resize_pending, resize_in_progress;
	char resize_pending_text[512], resize_error[512];
	uint64_t resize_retry_ns;                 /* monotonic; 0: at once */
	const node_actions *resizing;             /* under way */
	bool knows_reset, is_resetting, is_reset; /* is_reset: all of it is removed */
	bool told_dns, dirs_made, unmounted, remove_logs;
	void (*mounted)(node_worker *w);
	node_token *tokens;
	node_claims *claims;

	node_start *start; /* under way, or NULL */
	node_stop *stop;
	const sp_cri_list_containers_response *listed; /* of this turn */
	void (*stopped)(node_worker *w);
	uint64_t box_stopped; /* hash of the id of the newest sandbox that was stopped last */
	void (*pruned)(node_worker *w);
	int64_t stop_grace_s; /* of the stop of the whole pod, as it was begun */
	node_probes *probes;

	/* jobs on worker threads */
	sp_work work;
	bool working;
	sp_code work_code;
	sp_err work_err;
	void (*work_done)(node_worker *w);

	/* last words of containers that ended, by id */
	struct node_words *words;

	/* telling the API */
	sp_str event_annotations; /* of the event that is being told, a JSON object */
	sp_call report_call, delete_call;
	sp_bytes *reported; /* without times; what the last successful report said */
	sp_bytes *reporting;
	sp_timer report_again;
	bool report_waits, delete_done;
	const sp_object *told; /* as the API had it after the last report; NULL: not yet */
	sp_timer reconcile;    /* somebody else has changed what was told */
};

struct node_agent {
	sp_world *world;
	sp_log *log;
	sp_client *client;
	sp_cri *cri;
	sp_pod_files *files;
	sp_arena arena;          /* of the agent's life */
	uint64_t started_ns;     /* monotonic */
	int64_t started_wall_ns; /* the same instant */
	node_agent_opts opts;
	node_place place;
	node_resolv host_resolv;
	sp_str host_ips[2];
	size_t n_host_ips;
	char runtime_name[64], runtime_version[64];
	int64_t cpu_milli, memory_bytes, disk_bytes;

	sp_informers *informers;
	sp_informer *pods, *services, *runtime_classes;
	sp_informer_watch pods_watch, services_watch;
	sp_events *events;
	sp_map workers_by_uid;
	sp_list workers;
	sp_map refs;
	sp_cri_call version_call;
	sp_timer version_timer;
	bool is_synced, closing;
	void (*on_closed)(void *arg);
	void *on_closed_arg;
	sp_defer closed_check;

	struct node_self *self;
	node_local_path *local_path;
	node_rotate *rotate;
	node_statics *statics;
	node_image_gc *image_gc;
	node_disks *disks;
	node_rate machine_rate; /* of /stats/summary */
	node_pressure_watch *pressure;
	struct node_relist *relist;
	node_counters counters;
	node_sysctls sysctls;
	node_userns userns;
	sp_arena leftovers_arena;
	node_leftovers leftovers; /* of earlier lives of the agent, until pods are known */
	sp_reviews reviews;       /* of who asks the kubelet API */
	sp_http_client *http;     /* of probes and hooks */
	sp_tls_config *http_tls;
};

/* ---- worker.c ---- */

node_worker *node_worker_new(node_agent *a, sp_str ns, sp_str name, sp_str uid);
/* Nothing is done with the pod any more; what runs goes on. */
void node_worker_free(node_worker *w);
/* Reads the pod as the API has it now. Not during a turn. */
void node_worker_take_pod(node_worker *w);
/* The API has this now; NULL: it has none any more. */
void node_worker_set(node_worker *w, const sp_object *o);
/* Something may have changed: look again. */
void node_worker_poke(node_worker *w);
/* At that time at the latest (monotonic). */
void node_worker_again(node_worker *w, uint64_t delay_ns);
/* The present turn is over. */
void node_worker_end_turn(node_worker *w);
node_memo *node_worker_memo(node_worker *w, sp_str container);
/* The container waits for this from now on (empty: for nothing); true when that is news. */
bool node_memo_wait(node_memo *m, sp_str reason, sp_str message);
node_verdicts node_worker_verdicts(node_worker *w);
node_status_input node_worker_status_input(node_worker *w);
/* Whether something of the pod runs, as it was seen last. */
bool node_worker_may_run(const node_worker *w);
void node_worker_fields(node_worker *w, node_field_source *ret);
/* fn runs on a worker thread, then done on the loop. When no thread is free the turn ends, a start that is
 * under way is given up, and another turn tries again. */
void node_worker_work(node_worker *w, void (*fn)(sp_work *job), void (*done)(node_worker *w));
/* The same; false: no thread is free, and nothing was done. */
bool node_worker_try_work(node_worker *w, void (*fn)(sp_work *job), void (*done)(node_worker *w));
void node_worker_event(node_worker *w, const node_container *c, bool is_warning, const char *reason,
		       const char *fmt, ...) SP_PRINTF(5, 6);
/* The pod ends as Failed, with that reason (a static text) and message; nothing of it is started any more. */
void node_worker_fail(node_worker *w, sp_str reason, sp_str message);
/* The same, before it began: the node does not take it. The reason is copied. */
void node_worker_reject(node_worker *w, sp_str reason, sp_str why);
/* The same, by the node: its containers get that long. is_disrupted: the pod gets a condition that says so.
 */
void node_worker_evict(node_worker *w, sp_str message, int64_t grace_s, bool is_disrupted);
/* The same, for the sake of a critical pod; told as an event, too. */
void node_worker_preempt(node_worker *w);
/* Seconds that containers of the pod get to stop. */
int64_t node_worker_grace(const node_worker *w);

/* ---- admit.c ---- */
/* Decides whether the pod, which has not begun, may. If not it fails, and that was told. False: nothing is
 * decided yet, a turn comes. */
bool node_admit(node_worker *w);
/* It may, as soon as other pods have ended: not yet. A turn comes. */
bool node_admit_waits(node_worker *w);
/* Whether there is room for what the pod asks for now; *ret says what lacks, or nothing: no memory to find
 * out. */
bool node_admit_grown(node_worker *w, node_refusal *ret);

/* ---- resize.c: resources of pods that run already. U: pkg/kubelet/allocation ---- */

/* Gives the pod the resources that are granted to it; grants those of its spec when the node has room. Of
 * every turn, after the pod was parsed. */
void node_resize_grant(node_worker *w);
/* After a look at the runtime: what was carried out, and whether a change is under way. */
void node_resize_look(node_worker *w);
/* The pod gives something back: others may wait for it. */
void node_resize_room(const node_worker *w);
/* The container was made with what is granted. */
void node_resize_made(node_worker *w, const node_container *c);
/* Whether cgroups differ from what is granted, and may be tried now. */
bool node_resize_is_due(const node_worker *w, const node_actions *act);
/* Carries it out; ends the turn. The plan stays until then. */
void node_resize_do(node_worker *w, const node_actions *act);

/* ---- resize_check.c: memory limits that would be too low ---- */
/* Looks whether what w->resizing says can be, then node_resize_checked: NULL, or why not (a text of the
 * call).
 */
void node_resize_check(node_worker *w);
void node_resize_checked(node_worker *w, const char *why);

/* ---- observe.c ---- */
/* Fills w->seen, then calls `then`; or logs, asks for another turn and ends this one. */
void node_observe(node_worker *w, void (*then)(node_worker *w));
void node_words_free(node_worker *w);

/* ---- decide.c ---- */
void node_decide(node_worker *w);

/* ---- reset.c: pods that begin anew ---- */
/* After a look at the runtime. */
void node_reset_look(node_worker *w);
bool node_reset_is_due(const node_worker *w);
/* Kills and removes all containers; ends the turn. */
void node_reset_do(node_worker *w);

/* ---- mounting.c: directories and volumes ---- */
/* Makes what is not made yet; then `then`, or ends the turn. */
void node_mount(node_worker *w, void (*then)(node_worker *w));
/* The pod's cgroup with these limits. Blocks: from a worker job. */
sp_code node_cgroup_write(node_worker *w, const node_pod_limits *limits, sp_err *err) SP_MUST_USE;
/* Removes everything of the pod but its logs. */
void node_unmount(node_worker *w, bool logs_too, void (*then)(node_worker *w));

/* ---- prune.c ---- */
/* Removes what is left of earlier lives of containers, then `then`. */
void node_prune(node_worker *w, void (*then)(node_worker *w));

/* ---- image_need.c ---- */

/* An image that a container needs before it is made. In place until done, or until the call is cancelled. */
typedef struct node_image_need {
	/* Once, from the loop. reason NULL: it is there. Else the container waits with that reason and is
	 * tried again after a while; events about it are written. */
	void (*done)(struct node_image_need *n, const char *reason, sp_str message, uint64_t retry_ns);
	void *arg;
	node_worker *w;
	const node_container *c;
	sp_str image, policy; /* as the pod has them */
	bool is_volume;       /* of a volume: events of the pull are about the pod */
	bool tells_missing;   /* an event about pull secrets that are not there */
	/* what is there */
	sp_str ref; /* as the runtime knows it */
	uint64_t bytes;
	bool has_uid;
	int64_t uid;
	sp_str user;
	/* of image_need.c */
	sp_cri_call call;
	node_auths auths; /* tried one after the other */
	size_t next_auth;
	sp_str pull_errors; /* of those that failed */
	uint64_t pull_began_ns;
	bool is_pulling; /* may be given up */
} node_image_need;
void node_image_need_start(node_image_need *n);

/* ---- sandbox.c, start.c ---- */
/* The runtime's handler for the pod. SP_ENOTFOUND: its class is not there. U: LookupRuntimeHandler. */
sp_code node_worker_handler(node_worker *w, sp_str *ret, sp_err *err) SP_MUST_USE;
/* "NotFound" …, as Go prints the code of a gRPC status. */
const char *node_rpc_code_name(int32_t code);
void node_start_sandbox(node_worker *w, uint32_t attempt);
/* Begins one container; ends the turn. */
void node_start_container(node_worker *w, const node_container *c, sp_str sandbox_id);
void node_start_cancel(node_worker *w);
/* Whether what a start waits for now (an image, a hook) may be given up for a deletion. */
bool node_start_may_interrupt(const node_worker *w);
sp_code node_worker_sandbox_config(node_worker *w, uint32_t attempt, sp_cri_pod_sandbox_config **ret,
				   sp_err *err) SP_MUST_USE;
/* Restarts of a container so far, for the one to be made. */
uint32_t node_restarts_of(node_worker *w, const node_container *c);

/* ---- stop.c ---- */
/* Stops these containers, hooks and all, then `then`. */
void node_stop_containers(node_worker *w, const node_kill *kills, size_t n, void (*then)(node_worker *w));
/* All of them, in order, then the sandboxes. */
void node_stop_pod(node_worker *w, int64_t grace_s, void (*then)(node_worker *w));
/* A stop that is under way has only that long from now on. */
void node_stop_hurry(node_worker *w, int64_t grace_s);
void node_stop_cancel(node_worker *w);

/* ---- report.c ---- */
/* Tells the API what w->status says, when it differs from what was told. */
void node_report(node_worker *w);
/* The pod is over: takes it out of the API. */
void node_report_deleted(node_worker *w);
void node_report_cancel(node_worker *w);

/* ---- told.c ---- */
/* The answer to a report. */
void node_told_set(node_worker *w, const sp_object *o);
/* w->latest is another: what is not as it was told is told again. */
void node_told_look(node_worker *w);
void node_told_free(node_worker *w);

/* ---- probes.c ---- */
/* Begins and ends probes as the pod's containers come and go. */
void node_probes_update(node_worker *w);
void node_probes_free(node_worker *w);
/* How often each probe of the pod succeeded and failed, as lines of /metrics/probes. */
void node_probes_tell(const node_worker *w, sp_buf *out);
node_verdict node_probes_verdict(const node_worker *w, node_probe_kind kind, sp_str container_id);

/* ---- hook.c: one exec, HTTP request, connection, health call or pause, of a hook or a probe ---- */

typedef enum node_outcome {
	NODE_OUTCOME_OK,
	NODE_OUTCOME_WARNING, /* OK, but for what the text says */
	NODE_OUTCOME_FAILED,
	NODE_OUTCOME_ERROR
} node_outcome;

typedef struct node_hook {
	/* Once, from the loop. The text says what went wrong, or what was printed; good during the call.
	 * ERROR: nobody can tell. */
	void (*done)(struct node_hook *h, node_outcome outcome, sp_str text);
	void *arg;
	bool of_lifecycle; /* no probe: any answer of a server will do, and a failure is told in full */
	/* of hook.c */
	node_worker *worker;
	const node_container *c;
	yyjson_val *handler;
	bool fell_back; /* from https to http */
	sp_cri_call exec;
	sp_timer timer;
	sp_connect_req connect;
	sp_grpc_rpc rpc;
	sp_grpc_channel channel;
	sp_http_exchange *get;
	sp_arena arena; /* of an HTTP request and those that it leads to */
	const sp_http_header *headers;
	size_t n_headers;
	sp_str authority, first_host, location; /* location: where the answer sends us; empty: nowhere */
	node_url url;
	unsigned n_requests;
	uint64_t deadline_ns;
	sp_defer later;
	sp_buf body;
	char text[1024], address[300];
	uint16_t http_status;
	node_outcome outcome;
	uint8_t running; /* what is under way; 0: nothing */
} node_hook;

/* A handler: {"exec": …}, {"httpGet": …}, {"tcpSocket": …}, {"grpc": …}, {"sleep": …}. timeout_ns 0: none. */
void node_hook_start(node_hook *h, node_worker *w, const node_container *c, sp_str container_id,
		     yyjson_val *handler, uint64_t timeout_ns);
/* Kubelet's words about a hook of a lifecycle that failed, into h->text. `error` and `output` (of exec) may
 * be in h->text. (hook_words.c) */
void node_hook_explain(node_hook *h, sp_str error, sp_str output);
/* No done any more. Harmless when nothing is under way. */
void node_hook_cancel(node_hook *h);

/* ---- relist.c ---- */
sp_code node_relist_new(node_agent *a, sp_err *err) SP_MUST_USE;
void node_relist_free(node_agent *a);

/* ---- self.c: the Node object, its lease, its pods' range ---- */
sp_code node_self_new(node_agent *a, sp_err *err) SP_MUST_USE;
void node_self_free(node_agent *a);
/* A condition of the node may have changed: it is told. */
void node_self_changed(node_agent *a);
/* It may be another: it is told the pods' range. */
void node_self_runtime_is_back(node_agent *a);
/* What pods may ask for of it: without what eviction begins at, without huge pages. */
int64_t node_memory_for_pods(const node_agent *a);
/* Of the Node object; empty before it is registered. */
sp_str node_self_uid(const node_agent *a);
/* The object was looked for once: what is known of it then is so. */
bool node_self_is_known(const node_agent *a);
/* Its name, labels and taints, and amounts of every resource; before it is there, what it will have. asked:
 * as it was when somebody last asked for it. In the arena; false: no memory. */
bool node_self_view(const node_agent *a, bool asked, sp_arena *arena, sp_fit_node *ret, sp_vmap *ret_amounts);
/* Asks the API for it, past what is known; then worker's knows_node is set, and a turn comes. */
void node_self_ask(node_worker *w);
bool node_self_has_strict_groups(const node_agent *a);
/* Whether the runtime said last that its network is not ready, and in which words, good until it is asked
 * again.
 */
bool node_self_network_is_down(const node_agent *a, sp_str *ret_why);
/* See node_features_check_users. */
sp_code node_self_check_users(const node_agent *a, sp_str handler, sp_err *err) SP_MUST_USE;
/* Of the machine, as its Node names them; may be empty, and are before the runtime's first answer. */
void node_self_ids(const node_agent *a, sp_str *ret_boot, sp_str *ret_machine, sp_str *ret_system);

/* ---- local_path.c: directories that are volumes ---- */
sp_code node_local_path_new(node_agent *a, sp_err *err) SP_MUST_USE;
void node_local_path_free(node_agent *a);

/* ---- rotate.c: logs that have grown ---- */
void node_rotate_new(node_agent *a);
void node_rotate_free(node_agent *a);

/* ---- image_gc.c: images that nobody uses, when the disk is full ---- */
void node_image_gc_new(node_agent *a);
/* When a job is under way the end comes later, with node_agent_check_closed. */
void node_image_gc_free(node_agent *a);
/* Removes every image that nobody uses and that may go by its age, then done, once. False: there is no
 * collection here. */
bool node_image_gc_all(node_agent *a, void (*done)(void *arg), void *arg);
/* Images that were removed so far. */
uint64_t node_image_gc_count(const node_agent *a);

/* ---- pressure.c: what the node runs short of, and the pods that pay for it ---- */
void node_pressure_start(node_agent *a);
void node_pressure_free(node_agent *a);
/* The conditions of the node. */
bool node_pressure_is_on(const node_agent *a, node_pressure p);
/* Pods evicted so far for that signal, or limit: NULL at the end. */
const node_eviction_count *node_pressure_counts(const node_agent *a, size_t *ret_n);
/* Nothing of an evicted pod is left: the next look may come. */
void node_pressure_cleaned(node_agent *a);
/* Whether the pod may run; if not it fails, and that was told. */
bool node_pressure_admit(node_worker *w);

/* ---- serve_counters.c ---- */
/* Appends what the agent counted, and its claims' volumes as they were seen last. */
void node_counters_tell(node_agent *a, sp_buf *out);

/* ---- agent.c ---- */
node_worker *node_agent_worker(node_agent *a, sp_str uid);
/* Of the pod that has that name now, a static one before its mirror; NULL: none. */
node_worker *node_agent_pod(node_agent *a, sp_str ns, sp_str name);
/* A worker was freed: the end may have come. */
void node_agent_check_closed(node_agent *a);
