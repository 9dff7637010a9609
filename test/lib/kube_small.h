/* SPDX-License-Identifier: Apache-2.0 */
/* A small kind with every list and map type, for fuzz targets and benchmarks that need a schema by hand. */
#pragma once

#include "kube/schema.h"

extern const sp_schema t_small_kind;
