/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static pods: those that files of a directory describe. They run without the API; when there is one it has a
 * mirror of each, which shows their status. U: kubernetes pkg/kubelet/config/file.go,
 * pkg/kubelet/pod/mirror_client.go, kubelet.go (tryReconcileMirrorPods).
 */
#pragma once

#include "node/node_int.h"

#define NODE_STATIC_PODS_MAX 1024u

sp_code node_statics_new(node_agent *a, sp_err *err) SP_MUST_USE;
/* When a job is under way the end comes later, with node_agent_check_closed. */
void node_statics_free(node_agent *a);
/* The directory has been read once, or there is none: what no pod is known of is nobody's. */
bool node_statics_are_known(const node_agent *a);

/* The live static pod of that name, or NULL. */
node_worker *node_static_find(const node_agent *a, sp_str ns, sp_str name);
/* An earlier pod of the same name is not over yet. */
bool node_static_waits(const node_worker *w);
/* A worker of a static pod is about to be freed. */
void node_static_gone(node_agent *a);
/* The object is a mirror: no pod to be run. */
bool node_is_mirror(const sp_object *o);
/* The mirror of that name came, changed or went. */
void node_static_mirrored(node_agent *a, const sp_object *old, const sp_object *now);
/* Something may have changed that mirrors depend on: they are made and deleted as needed. */
void node_statics_look(node_agent *a);
