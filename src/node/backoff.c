/* SPDX-License-Identifier: Apache-2.0 */
#include "node/backoff.h"

static bool is_forgotten(const node_backoff *b, int64_t at_ns)
{
	return b->delay_ns == 0 || at_ns - b->updated_ns > (int64_t)(2 * NODE_BACKOFF_MOST_NS);
}

uint64_t node_backoff_left(const node_backoff *b, int64_t since_ns, int64_t now_ns)
{
	if (is_forgotten(b, since_ns))
		return 0;
	int64_t passed = now_ns - since_ns;
	if (passed < 0) /* the clock went back: the whole pause again, no longer */
		passed = 0;
	return (uint64_t)passed >= b->delay_ns ? 0 : b->delay_ns - (uint64_t)passed;
}

void node_backoff_next(node_backoff *b, int64_t at_ns, int64_t now_ns)
{
	if (is_forgotten(b, at_ns))
		b->delay_ns = NODE_BACKOFF_FIRST_NS;
	else
		b->delay_ns = b->delay_ns * 2 > NODE_BACKOFF_MOST_NS ? NODE_BACKOFF_MOST_NS : b->delay_ns * 2;
	b->updated_ns = now_ns;
}
