/* SPDX-License-Identifier: Apache-2.0 */
/* What the node, pods and containers use, as JSON: /stats/summary. */
#include "base/alloc.h"
#include "io/file.h"
#include "node/disks.h"
#include "node/serve_int.h"

#define BYTES_MAX ((size_t)64 << 20)
#define PROC_BYTES_MAX ((size_t)1 << 20)
#define INTERFACES_MAX 64u

enum { STATS, CONTAINERS, POD_STATS, BOXES, DISK, CALLS };

static bool only_cpu_and_memory(const node_request *r)
{
	return sp_str_eq(sp_url_query_get(&r->query, SP_STR("only_cpu_and_memory")), SP_STR("true"));
}

/* The disk of images: where it is, and what they use of it. */
static sp_str look_at_images(const sp_cri_image_fs_info_response *l, const uint64_t **ret_bytes)
{
	*ret_bytes = NULL;
	if (l == NULL || l->image_filesystems.n == 0 || l->image_filesystems.at[0].fs_id == NULL)
		return (sp_str){NULL, 0};
	const sp_cri_filesystem_usage *f = &l->image_filesystems.at[0];
	if (f->used_bytes != NULL)
		*ret_bytes = &f->used_bytes->value;
	return f->fs_id->mountpoint;
}

static void on_stats(node_batch *b)
{
	node_request *r = b->arg;
	node_agent *a = r->agent;
	node_interface interfaces[INTERFACES_MAX];
	sp_str traffic = {NULL, 0};
	const node_use use = node_machine_use(r, b->arena);
	if (b->items[STATS].status != SP_RPC_OK || b->items[BOXES].status != SP_RPC_OK) {
		const node_batch_item *bad = node_batch_failed(b);
		node_answer(r, 500, SP_FMT, SP_ARG(bad->message));
		return;
	}
	(void)!sp_file_read_arena(a->world, SP_STR("/proc/net/dev"), b->arena, PROC_BYTES_MAX, &traffic,
				  NULL);
	if (use.has_cpu)
		node_rate_add(&a->machine_rate, use.at_ns, use.cpu_ns);
	node_summary_input in = {.node_name = a->opts.node_name,
				 .node = &use,
				 .rate = &a->machine_rate,
				 .interfaces = interfaces,
				 .n_interfaces = node_interfaces_read(traffic, interfaces, INTERFACES_MAX),
				 .root = node_disks_get(a, a->place.root),
				 .stats = node_scrape_answer(b, STATS),
				 .containers = node_scrape_answer(b, CONTAINERS),
				 .pods = node_scrape_answer(b, POD_STATS),
				 .boxes = node_scrape_answer(b, BOXES),
				 .only_cpu_and_memory = only_cpu_and_memory(r)};
	in.images = node_disks_get(a, look_at_images(node_scrape_answer(b, DISK), &in.image_bytes));
	SP_AUTO_BUF out;
	sp_buf_init(&out, BYTES_MAX);
	node_summary_write(&out, &in);
	node_answer_json(r, &out);
}

void node_serve_stats(node_request *r)
{
	const sp_cri_list_container_stats_request stats = {0};
	const sp_cri_list_containers_request containers = {0};
	const sp_cri_list_pod_sandbox_stats_request pods = {0};
	const sp_cri_list_pod_sandbox_request boxes = {0};
	const sp_cri_empty disk = {0};
	if (!sp_str_eq(r->segments[1], SP_STR("summary"))) {
		node_answer(r, 404, "404 page not found\n");
		return;
	}
	node_scrape *s = node_scrape_begin(r, CALLS, on_stats);
	if (s == NULL)
		return;
	node_batch_add(&s->batch, SP_CRI_LIST_CONTAINER_STATS, &stats, NODE_CALL_TIMEOUT_NS);
	node_batch_add(&s->batch, SP_CRI_LIST_CONTAINERS, &containers, NODE_CALL_TIMEOUT_NS);
	node_batch_add(&s->batch, SP_CRI_LIST_POD_SANDBOX_STATS, &pods, NODE_CALL_TIMEOUT_NS);
	node_batch_add(&s->batch, SP_CRI_LIST_POD_SANDBOX, &boxes, NODE_CALL_TIMEOUT_NS);
	node_batch_add(&s->batch, SP_CRI_IMAGE_FS_INFO, &disk, NODE_CALL_TIMEOUT_NS);
}
