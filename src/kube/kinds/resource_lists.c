/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/resource_lists.h"

#include "kube/formats.h"

#define NANOS_PER_MILLI 1000000

void sp_res_list_round(sp_kind_ctx *c, yyjson_mut_val *list)
{
	SP_KV_EACH_MEMBER (key, val, i, list) {
		(void)key;
		sp_qty q = sp_kv_qty(val);
		__int128 rest = q.nanos % NANOS_PER_MILLI;
		if (rest == 0)
			continue;
		q.nanos += rest > 0 ? NANOS_PER_MILLI - rest : -(NANOS_PER_MILLI + rest);
		sp_str text = sp_qty_print(c->arena, q);
		SP_KIND_NEED(c, text.ptr != NULL);
		if (text.ptr != NULL)
			(void)yyjson_mut_set_strn(val, text.ptr, text.len);
	}
}

void sp_res_list_fill(sp_kind_ctx *c, yyjson_mut_val *holder, const char *member, yyjson_mut_val *from,
		      bool (*wanted)(sp_str name))
{
	SP_AUTO_STRSET have = {.map = {0}};
	sp_violations scratch;
	yyjson_mut_val *list = sp_kv_get(holder, member);
	sp_violations_init(&scratch, c->arena);
	SP_KV_EACH_MEMBER (key, val, i, list) {
		(void)val;
		(void)sp_strset_add(&have, sp_jmut_str(key), &scratch);
	}
	SP_KV_EACH_MEMBER (key, val, i, from) {
		sp_str name = sp_jmut_str(key);
		if ((wanted != NULL && !wanted(name)) || !sp_strset_add(&have, name, &scratch))
			continue;
		list = sp_kv_need_obj(c->doc, holder, member);
		yyjson_mut_val *copy = yyjson_mut_val_mut_copy(c->doc, val);
		yyjson_mut_val *copied_key = yyjson_mut_strncpy(c->doc, name.ptr, name.len);
		SP_KIND_NEED(c, list != NULL && copy != NULL && copied_key != NULL &&
					yyjson_mut_obj_add(list, copied_key, copy));
	}
	SP_KIND_NEED(c, scratch.code == SP_OK);
}
