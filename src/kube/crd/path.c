/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/crd/crd_int.h"

sp_str sp_crd_path(sp_arena *a, sp_str parent, sp_str name)
{
	return sp_arena_printf(a, SP_FMT "%s" SP_FMT, SP_ARG(parent), parent.len == 0 ? "" : ".",
			       SP_ARG(name));
}

sp_str sp_crd_path_key(sp_arena *a, sp_str parent, sp_str key)
{
	return sp_arena_printf(a, SP_FMT "[" SP_FMT "]", SP_ARG(parent), SP_ARG(key));
}
