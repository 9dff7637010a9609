/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that read a pod's spec. */
#pragma once

#include "scheduler/spec.h"

/* A member's text, copied into the spec; empty when absent. */
sp_code sched_text(sched_spec *s, yyjson_val *object, const char *member, sp_str *ret) SP_MUST_USE;
/* A member as text into a key; errors stay in the buffer. */
void sched_key_member(sp_buf *b, yyjson_val *object, const char *member);

/* nodeSelector and node affinity. */
sp_code sched_spec_read_nodes(sched_spec *s, yyjson_val *spec, sp_err *err) SP_MUST_USE;
/* Inter-pod affinity. */
sp_code sched_spec_read_terms(sched_state *st, sched_spec *s, yyjson_val *spec, sp_err *err) SP_MUST_USE;
sp_code sched_spec_read_spread(sched_spec *s, yyjson_val *spec, sp_err *err) SP_MUST_USE;
sp_code sched_spec_read_volumes(sched_spec *s, yyjson_val *spec) SP_MUST_USE;

/* Lets go of what was counted for it (arm.c). */
void sched_spec_disarm(sched_state *st, sched_spec *s);
