/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that keep the state. */
#pragma once

#include "scheduler/state.h"

void sched_changed(sched_change_log *log, uint32_t slot);

/* The entry of a node by name, made when there is none. */
sp_code sched_node_entry(sched_state *st, sp_str name, sched_node **ret) SP_MUST_USE;
/* Frees an entry that neither has an object nor pods. */
void sched_node_tidy(sched_state *st, sched_node *node);
void sched_node_free(sched_state *st, sched_node *node);

/* Columns and counters of a node that exists, when a pod comes (+1) or goes (-1). */
void sched_place_counts(sched_state *st, sched_pod *pod, sched_node *node, int sign);

void sched_budgets_done(sched_state *st);
void sched_sources_done(sched_state *st);
