/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/cel/ast.h"

cel_node *cel_node_new(cel_compiler *c, cel_node_kind kind, uint32_t at)
{
	cel_node *e = sp_try_new(c->arena, cel_node, 1);
	if (e == NULL) {
		c->no_memory = true;
		c->hopeless = true;
		return NULL;
	}
	e->kind = (uint8_t)kind;
	e->at = at;
	e->id = c->n_nodes++;
	e->slot = CEL_NO_SLOT;
	return e;
}

cel_node *cel_literal(cel_compiler *c, uint32_t at, sp_cel_val v)
{
	cel_node *e = cel_node_new(c, CEL_LITERAL, at);
	if (e != NULL)
		e->value = v;
	return e;
}

cel_node *cel_ident(cel_compiler *c, uint32_t at, sp_str name)
{
	cel_node *e = cel_node_new(c, CEL_IDENT, at);
	if (e != NULL)
		e->name = name;
	return e;
}

cel_node *cel_call(cel_compiler *c, uint32_t at, const char *fn, size_t n, cel_node *const *args)
{
	cel_node *e = cel_node_new(c, CEL_CALL, at);
	if (e == NULL)
		return NULL;
	e->args = sp_try_new(c->arena, cel_node *, n + 1);
	for (size_t i = 0; i < n; i++) {
		if (e->args == NULL || args[i] == NULL) {
			c->no_memory = true;
			return NULL;
		}
		e->args[i] = args[i];
	}
	e->name = sp_str_c(fn);
	e->n = (uint32_t)n;
	return e;
}
