/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client_int.h"

void client_wait(sp_client *c, client_waiter *w)
{
	sp_list_remove(&w->node);
	sp_list_push_back(&c->root->waiters, &w->node);
}

void client_answered(sp_client *c)
{
	sp_list *node;
	while ((node = sp_list_pop_front(&c->root->waiters)) != NULL) {
		client_waiter *w = SP_CONTAINER_OF(node, client_waiter, node);
		w->answered(w);
	}
}
