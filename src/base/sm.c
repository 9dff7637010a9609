/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sm.h"

#include <stdio.h>
#include <stdlib.h>

void sp_sm_init(sp_sm *m, const char *what, const sp_sm_state *states, size_t n, uint8_t first)
{
	SP_ASSERT(n > 0);
	SP_ASSERT(n <= SP_SM_STATES_MAX);
	SP_ASSERT(first < n);
	uint64_t known = n == SP_SM_STATES_MAX ? UINT64_MAX : SP_TO(n) - 1;
	for (size_t i = 0; i < n; i++) {
		SP_ASSERT(states[i].name != NULL);
		SP_ASSERT((states[i].next & ~known) == 0);
		SP_ASSERT(!states[i].final || states[i].next == 0);
	}
	*m = (sp_sm){.states = states, .what = what, .n = (uint8_t)n, .now = first};
}

bool sp_sm_may(const sp_sm *m, uint8_t to)
{
	return to < m->n && (m->states[m->now].next & SP_TO(to)) != 0;
}

void sp_sm_move(sp_sm *m, uint8_t to)
{
	SP_ASSERT(to < m->n);
	if (!sp_sm_may(m, to)) {
		(void)fprintf(stderr, "%s may not move from %s to %s\n", m->what, sp_sm_name(m),
			      m->states[to].name);
		abort();
	}
	uint8_t from = m->now;
	m->now = to;
	if (m->moved != NULL)
		m->moved(m->arg, m, from);
}

sp_code sp_sm_dot(sp_buf *out, const char *what, const sp_sm_state *states, size_t n)
{
	(void)sp_buf_printf(out, "digraph \"%s\" {\n", what);
	for (size_t i = 0; i < n; i++)
		(void)sp_buf_printf(out, "\t\"%s\"%s;\n", states[i].name,
				    states[i].final ? " [peripheries=2]" : "");
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			if ((states[i].next & SP_TO(j)) != 0)
				(void)sp_buf_printf(out, "\t\"%s\" -> \"%s\";\n", states[i].name,
						    states[j].name);
		}
	}
	(void)sp_buf_str(out, SP_STR("}\n"));
	return sp_buf_code(out);
}
