/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of ids that pods with hostUsers false have for themselves: 65536 each, from 65536 on. Which pod has
 * which stands in its directory, ROOT/pods/UID/userns, in kubelet's form; so it stays over restarts. U:
 * kubernetes pkg/kubelet/userns/userns_manager.go.
 */
#pragma once

#include "base/arena.h"
#include "base/map.h"
#include "io/world.h"

#define NODE_USERNS_IDS 65536u
#define NODE_USERNS_RANGES 65535u

typedef struct node_userns {
	uint64_t used[(NODE_USERNS_RANGES + 63) / 64];
	sp_map by_uid; /* of pods */
} node_userns;

void node_userns_init(node_userns *u);
void node_userns_done(node_userns *u);

/* The pod's range, which it gets when it has none. SP_ETOOLARGE with upstream's words, SP_ENOMEM. */
sp_code node_userns_get(node_userns *u, sp_str uid, uint32_t *ret_first, sp_err *err) SP_MUST_USE;
/* 0: it has none. */
uint32_t node_userns_find(const node_userns *u, sp_str uid);
/* As its file says. SP_EINVAL with upstream's words: the file is none of ours, or another pod has it. */
sp_code node_userns_record(node_userns *u, sp_str uid, sp_str file, sp_err *err) SP_MUST_USE;
/* Harmless when it has none. */
void node_userns_release(node_userns *u, sp_str uid);

/* What stands in the file. */
sp_str node_userns_file(sp_arena *a, uint32_t first);
/* Records what all pods below ROOT/pods have. Blocks. SP_EINVAL, SP_EIO. */
sp_code node_userns_restore(node_userns *u, sp_world *w, sp_str root, sp_err *err) SP_MUST_USE;
