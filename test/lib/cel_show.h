/* SPDX-License-Identifier: Apache-2.0 */
/* CEL values as the literals that make them, as cel-go's types.Format prints them: golden answers are written so. */
#pragma once

#include "kube/cel/value.h"

void cel_show_literal(cel_ctx *c, sp_buf *out, sp_cel_val v);
