/* SPDX-License-Identifier: Apache-2.0 */
/* What to do next with a pod: tables in the words of lib/node_text.h. */
#include "lib/node_text.h"
#include "lib/t.h"

typedef struct row {
	const char *pod, *seen, *want;
} row;

/* "kill-pod box+1 start a,b kill c (message)". */
static sp_str print(const node_actions *a)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	if (a->kill_pod)
		(void)sp_buf_printf(&out, "kill-pod ");
	if (a->create_sandbox)
		(void)sp_buf_printf(&out, "box+%u ", a->attempt);
	for (size_t i = 0; i < a->n_starts; i++)
		(void)sp_buf_printf(&out, "%s" SP_FMT, i == 0 ? "start " : ",", SP_ARG(a->starts[i]->name));
	if (a->n_starts > 0)
		(void)sp_buf_char(&out, ' ');
	for (size_t i = 0; i < a->n_kills; i++)
		(void)sp_buf_printf(&out, "kill " SP_FMT " (" SP_FMT ") ",
				    SP_ARG(a->kills[i].container->name), SP_ARG(a->kills[i].message));
	for (size_t i = 0; i < a->n_resizes; i++)
		(void)sp_buf_printf(&out, "%s" SP_FMT, i == 0 ? "resize " : ",", SP_ARG(a->resizes[i]->name));
	return sp_arena_try_dup(T_ARENA, sp_str_trim(sp_buf_view(&out)));
}

static const row rows[] = {
	/* the sandbox */
	{"main a; main b", "", "kill-pod box+0 start a,b"},
	{"init i; main a", "", "kill-pod box+0 start i"},
	{"main a", "deadbox", "kill-pod box+1 start a"},
	{"main a", "box; box=1", "kill-pod box+2 start a"},
	{"main a", "barebox", "kill-pod box+1 start a"},
	{"host; main a", "box", "start a"},
	{"restart=Never; main a", "a exit=0; deadbox", "kill-pod"},
	{"restart=Never; main a", "deadbox", "kill-pod box+1 start a"},
	{"restart=OnFailure; main a; main b", "a exit=0; b exit=1; deadbox", "kill-pod box+1 start b"},
	{"restart=OnFailure; main a", "a exit=0; deadbox", "kill-pod"},
	{"main a", "a exit=0; deadbox", "kill-pod box+1 start a"},
	/* main containers */
	{"main a; main b", "box", "start a,b"},
	{"main a; main b", "box; a run", "start b"},
	{"main a; main b", "box; a run; b run", ""},
	{"main a; main b", "box; a run; b exit=0", "start b"},
	{"restart=OnFailure; main a; main b", "box; a run; b exit=0", ""},
	{"restart=OnFailure; main a; main b", "box; a run; b exit=1", "start b"},
	{"restart=Never; main a; main b", "box; a run; b exit=1", ""},
	{"restart=Never; main a; main b policy=OnFailure", "box; a run; b exit=1", "start b"},
	{"restart=Never; main a; main b policy=Never rule=42", "box; a run; b exit=42", "start b"},
	{"restart=Never; main a; main b policy=Never rule=42", "box; a run; b exit=1", ""},
	{"main a; main b policy=Never", "box; a run; b exit=1", ""},
	{"restart=Never; main a; main b", "box; a exit=0; b exit=1", "kill-pod"},
	{"restart=OnFailure; main a", "box; a exit=0", "kill-pod"},
	{"main a", "box; a created", "start a"},
	{"main a", "box; a unknown",
	 "start a kill a (Container is in \"unknown\" state, try killing it before restart)"},
	{"main a", "box; a run changed",
	 "start a kill a (Container a definition changed, will be restarted)"},
	{"restart=Never; main a", "box; a run changed",
	 "start a kill a (Container a definition changed, will be restarted)"},
	{"main a liveness", "box; a run liveness=bad",
	 "start a kill a (Container a failed liveness probe, will be restarted)"},
	{"restart=Never; main a liveness; main b", "box; a run liveness=bad; b run",
	 "kill a (Container a failed liveness probe)"},
	{"main a startup", "box; a run startup=bad",
	 "start a kill a (Container a failed startup probe, will be restarted)"},
	{"main a liveness", "box; a exit=1 liveness=bad; a run", ""}, /* verdicts are of one container only */
	/* init containers */
	{"init i; init j; main a", "box", "start i"},
	{"init i; init j; main a", "box; i run", ""},
	{"init i; init j; main a", "box; i exit=0", "start j"},
	{"init i; init j; main a", "box; i exit=1", "start i"},
	{"init i; init j; main a", "box; i exit=0; j exit=0", "start a"},
	{"init i; init j; main a", "box; j exit=0", "start a"}, /* traces of i are gone */
	{"init i; init j; main a", "box; i created", "start i"},
	{"restart=Never; init i; main a", "box; i exit=1", "kill-pod"},
	{"restart=OnFailure; init i; main a", "box; i exit=1", "start i"},
	{"init i; main a", "box; a run", ""}, /* a runs, so i is done */
	{"init i; main a", "box; a exit=1", "start i"},
	{"restart=Never; init i; main a", "box; i unknown", "kill-pod"},
	{"init i; main a", "box; i unknown",
	 "start i kill i (Init container is in \"unknown\" state, try killing it before restart)"},
	/* sidecars */
	{"sidecar s; main a", "box", "start s"},
	{"sidecar s; main a", "box; s run", "start a"},
	{"sidecar s startup; main a", "box; s run", ""},
	{"sidecar s startup; main a", "box; s run startup=ok", "start a"},
	{"sidecar s startup; main a", "box; s run startup=bad",
	 "start s kill s (Init container s failed startup probe)"},
	{"sidecar s; init i; main a", "box; s run", "start i"},
	{"sidecar s; init i; main a", "box; s exit=0; i run", "start s"},
	{"sidecar s; main a", "box; s exit=1; a run", "start s"},
	{"restart=Never; sidecar s; main a", "box; s exit=1; a run", "start s"},
	{"restart=Never; sidecar s; main a", "box; s run; a exit=0", "kill-pod"},
	{"sidecar s liveness; main a", "box; s run liveness=bad; a run",
	 "start s kill s (Init container s failed liveness probe)"},
	{"sidecar s; sidecar t; main a", "box; t run; a run", "start s"},
	/* ephemeral containers */
	{"main a; debug d", "box; a run", "start d"},
	{"main a; debug d", "box; a run; d exit=1", ""},
	{"init i; main a; debug d", "box; i run", "start d"},
	{"restart=Never; main a; debug d", "box; a exit=0; d run", "kill-pod"},
	/* resources of what runs: those that lose come first; nothing is known of c */
	{"main a cpu=200m; main b cpu=50m; main c cpu=7", "box; a run has=100; b run has=100; c run",
	 "resize b,a"},
	{"main a cpu=100m", "box; a run has=100", ""},
	{"main a cpu=200m cpu-restarts; main b cpu=1", "box; a run has=100; b run has=500",
	 "start a kill a (Container a resize requires restart) resize b"},
	{"main a cpu=100m cpu-restarts", "box; a run has=100", ""},
	{"restart=Never; main a cpu=200m", "box; a run has=100", "resize a"},
	{"sidecar s cpu=1; main a", "box; s run has=100; a run", "resize s"},
	{"sidecar s cpu=1 cpu-restarts; main a", "box; s run has=100; a run",
	 "start s kill s (Container s resize requires restart)"},
	{"init i cpu=1; main a", "box; i run has=100", ""},
	{"main a cpu=200m", "box; a exit=1 has=100", "start a"},
	/* deletion */
	{"deleted; main a; main b", "box; a run; b exit=1", ""},
};

SP_TEST(node_actions, table)
{
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_text t;
		node_actions a;
		t_row("%s | %s", rows[i].pod, rows[i].seen);
		T_OK(node_text_make(rows[i].pod, rows[i].seen, &t, T_ERR));
		t.verdicts.arg = &t;
		T_OK(node_compute_actions(t.pod, &t.seen, &t.verdicts, T_ARENA, &a, T_ERR));
		T_EQ_C(print(&a), rows[i].want);
	}
}
