/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sm.h"

#include <sys/wait.h>
#include <unistd.h>

#include "lib/t.h"

enum { IDLE, BUSY, GONE };
static const sp_sm_state states[] = {
	[IDLE] = {"Idle", SP_TO(BUSY) | SP_TO(GONE), false},
	[BUSY] = {"Busy", SP_TO(IDLE) | SP_TO(BUSY), false},
	[GONE] = {"Gone", 0, true},
};

static void count(void *arg, const sp_sm *m, uint8_t from)
{
	*(unsigned *)arg = *(unsigned *)arg * 10 + from * 3u + m->now;
}

SP_TEST(sm, moves_where_the_table_allows)
{
	sp_sm m;
	unsigned trace = 0;
	sp_sm_init(&m, "worker", states, SP_LEN(states), IDLE);
	m.moved = count;
	m.arg = &trace;
	T_TRUE(!sp_sm_may(&m, IDLE));
	sp_sm_move(&m, BUSY);
	sp_sm_move(&m, BUSY);
	T_TRUE(!sp_sm_may(&m, GONE));
	sp_sm_move(&m, IDLE);
	sp_sm_move(&m, GONE);
	T_EQ_C(sp_str_c(sp_sm_name(&m)), "Gone");
	T_TRUE(sp_sm_is_final(&m));
	T_EQ_U64(trace, 1432);
}

SP_TEST(sm, a_move_that_is_not_listed_aborts)
{
	pid_t child = fork();
	T_TRUE(child >= 0);
	if (child == 0) {
		sp_sm m;
		(void)!freopen("/dev/null", "w", stderr);
		sp_sm_init(&m, "worker", states, SP_LEN(states), BUSY);
		sp_sm_move(&m, GONE);
		_exit(0);
	}
	int status = 0;
	T_TRUE(waitpid(child, &status, 0) == child);
	T_TRUE(WIFSIGNALED(status));
}

SP_TEST(sm, prints_the_table_as_a_graph)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1000);
	T_OK(sp_sm_dot(&out, "worker", states, SP_LEN(states)));
	T_EQ_C(sp_buf_view(&out), "digraph \"worker\" {\n"
				  "\t\"Idle\";\n\t\"Busy\";\n\t\"Gone\" [peripheries=2];\n"
				  "\t\"Idle\" -> \"Busy\";\n\t\"Idle\" -> \"Gone\";\n"
				  "\t\"Busy\" -> \"Idle\";\n\t\"Busy\" -> \"Busy\";\n}\n");
}
