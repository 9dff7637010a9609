/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the plugins read of a pod, shared by all pods that say the same (the replicas of one set usually do):
 * parsed once, looked up by text afterwards, freed with the last pod.
 */
#pragma once

#include "kube/selector.h"
#include "scheduler/requests.h"

typedef struct sched_node sched_node;
typedef struct sched_group sched_group;         /* counters.h */
typedef struct sched_carried sched_carried;     /* counters.h */
typedef struct sched_topology sched_topology;   /* counters.h */
typedef struct sched_pod_class sched_pod_class; /* counters.h */

typedef struct sched_port {
	sp_str ip; /* "0.0.0.0" when the pod says none */
	sp_str protocol;
	int32_t port;
} sched_port;

typedef struct sched_toleration {
	sp_str key, value, effect;
	bool exists; /* operator Exists */
} sched_toleration;

typedef struct sched_taint {
	sp_str key, value, effect;
} sched_taint;

/* U: component-helpers scheduling/corev1/helpers.go (ToleratesTaint). */
bool sched_tolerates(const sched_toleration *t, const sched_taint *taint);
/* Against a whole list. */
bool sched_tolerated(const sched_toleration *list, size_t n, const sched_taint *taint);

/* One alternative of a node selector: labels and the node's name. */
typedef struct sched_node_term {
	bool invalid; /* cannot be parsed: matches no node */
	sp_selector labels;
	struct {
		sp_str name;
		bool equal;
	} * fields; /* metadata.name In / NotIn [one] */
	size_t n_fields;
	int32_t weight; /* preferred terms */
} sched_node_term;

/* spec.nodeSelector and required node affinity; both have to hold. */
typedef struct sched_node_need {
	sp_selector selector;
	bool has_terms; /* affinity is there, even with no term */
	const sched_node_term *terms;
	size_t n_terms;
} sched_node_need;

/* Which pods a term, a constraint or a budget means, by namespace and labels. */
typedef struct sched_matcher {
	sp_selector labels;
	const sp_str *namespaces; /* sorted */
	size_t n_namespaces;
	sp_selector in_namespaces; /* nothing when the term has no namespaceSelector */
	sp_str key;                /* canonical text of all of this */
} sched_matcher;

/* One term of inter-pod affinity. */
typedef struct sched_term {
	sched_matcher matcher;
	sp_str topology_key;
	int32_t weight; /* preferred: positive attracts, negative repels */
	sched_carried *carried;
} sched_term;

typedef struct sched_spread {
	sp_selector labels; /* with matchLabelKeys */
	sp_str labels_key;  /* its canonical text */
	sp_str topology_key;
	int32_t max_skew, min_domains;
	bool honor_affinity, honor_taints;
} sched_spread;

/* Claims and disks; see plugins/volumes.h. */
typedef struct sched_disk {
	uint8_t kind; /* sched_disk_kind */
	bool read_only;
	sp_str id;              /* disk, IQN, or pool and image */
	const sp_str *monitors; /* RBD */
	size_t n_monitors;
} sched_disk;

typedef struct sched_claim {
	sp_str name;    /* of the PersistentVolumeClaim; for ephemeral volumes pod-volume, see `suffix` */
	bool ephemeral; /* `name` is the volume's: the claim's name begins with the pod's */
} sched_claim;

/* A volume that a CSI driver attaches to a node. */
typedef struct sched_attachable {
	sp_str driver;
	sp_str volume; /* driver and handle */
} sched_attachable;

typedef struct sched_spec {
	sp_arena arena;
	sp_str key; /* what it is found by */
	uint32_t refs;
	sched_pod_class *pc; /* namespace and labels */
	sp_str scheduler_name;
	int32_t priority;
	bool preempts_never, resource_claims;
	/* Features a node has to declare. */
	bool needs_restart_all, needs_user_namespaces_host_network;
	sched_pod_requests requests;
	const sched_port *ports;
	size_t n_ports;
	const sched_toleration *tolerations;
	size_t n_tolerations;
	bool has_node_need;
	sched_node_need need;
	sp_str need_key;
	const sched_node_term *preferred; /* of nodes */
	size_t n_preferred;
	sp_str preferred_key;
	/* metadata.name In of every required term: the only nodes worth looking at; has_names with none of
	 * them is a contradiction. */
	bool has_names;
	const sp_str *names;
	size_t n_names;
	sched_term *affinity, *anti, *soft; /* required, required anti, preferred of both signs */
	size_t n_affinity, n_anti, n_soft;
	bool has_spread; /* topologySpreadConstraints is not empty */
	const sched_spread *hard, *weak;
	size_t n_hard, n_weak;
	const sp_str *images; /* with a tag, one per container and image volume that names one */
	size_t n_images, n_containers;
	const sp_str *gates;
	size_t n_gates;
	sp_str owner_api, owner_kind, owner_name; /* of the controller; empty: none */
	const sched_disk *disks;
	size_t n_disks;
	const sched_claim *claims;
	size_t n_claims;
	const sched_attachable *inlined; /* volumes without a claim that a driver took over */
	size_t n_inlined;
	bool has_in_tree;          /* has any of a plugin that was built in, whether or not it counts */
	struct sched_armed *armed; /* what is counted for it (arm.h), once such a pod was to be placed */
} sched_spec;

/* The text of what the plugins read; a pod that says more is refused. */
#define SCHED_SPEC_BYTES_MAX ((size_t)2 << 20)

/*
 * The spec of a pod, from the table or made; one reference is the caller's. SP_EINVAL: something in it cannot
 * be read (the message names the pod).
 */
sp_code sched_spec_get(sched_state *st, yyjson_val *pod, sched_spec **ret, sp_err *err) SP_MUST_USE;
static inline sched_spec *sched_spec_ref(sched_spec *s)
{
	s->refs++;
	return s;
}
void sched_spec_unref(sched_state *st, sched_spec *s);

/* Does a node have what is asked? U: component-helpers scheduling/corev1/nodeaffinity. */
bool sched_need_holds(const sched_node_need *need, const sched_node *node);
bool sched_node_term_holds(const sched_node_term *term, const sched_node *node);

/* A required node affinity of NodeAffinityArgs and the like: `selector` is a v1 NodeSelector. */
sp_code sched_node_terms_read(sp_arena *a, yyjson_val *selector, const sched_node_term **ret, size_t *ret_n,
			      sp_err *err) SP_MUST_USE;

/* metadata.labels sorted by key, in the arena. */
sp_code sched_labels_read(sp_arena *a, yyjson_val *labels, const sp_label **ret, size_t *ret_n) SP_MUST_USE;
/* NULL when absent. */
const sp_str *sched_label(const sp_label *labels, size_t n, sp_str key);

/* Canonical text of a selector, in the arena. */
sp_code sched_selector_text(sp_arena *a, const sp_selector *s, sp_str *ret) SP_MUST_USE;
