/* SPDX-License-Identifier: Apache-2.0 */
/* Images that nobody uses go while the disk they are on is too full. U: kubernetes
 * pkg/kubelet/images/image_gc_manager.go, kubelet.go (StartGarbageCollection). */
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "node/images.h"
#include "node/node_int.h"

#define EVERY_NS (300 * NODE_SECOND_NS)            /* U: ImageGCPeriod */
#define AGE_NS_MIN (120 * (int64_t)NODE_SECOND_NS) /* U: imageMinimumGCAge */
#define ROUND_BYTES_MAX ((size_t)64 << 20)

struct node_image_gc {
	node_agent *agent;
	sp_timer timer;
	sp_arena arena; /* of a round */
	node_batch batch;
	sp_cri_call call;
	sp_work work; /* looks at the disk, which may not answer */
	sp_code look_code;
	sp_err look_err;
	bool is_looking, is_freed;
	node_images images;
	const sp_cri_list_containers_response *containers; /* of the round */
	const sp_cri_image_fs_info_response *file_system;
	node_disk disk;
	node_image *removing;
	int64_t now_ns; /* of the round */
	uint64_t to_free, freed, n_freed;
	unsigned n_failed_rounds;
	bool any_failed, is_busy;
	bool wants_all, is_all;  /* the next round, this round frees all that it may */
	void (*done)(void *arg); /* of that round */
	void *done_arg;
	char why[300]; /* the first removal that failed */
};

uint64_t node_image_gc_count(const node_agent *a)
{
	return a->image_gc == NULL ? 0 : a->image_gc->n_freed;
}

sp_code node_disk_read(sp_str path, node_disk *ret, sp_err *err)
{
	char text[4096];
	struct statvfs fs;
	struct stat st;
	(void)snprintf(text, sizeof text, SP_FMT, SP_ARG(path));
	if (path.len >= sizeof text || stat(text, &st) != 0 || statvfs(text, &fs) != 0)
		return sp_fail(err, SP_EIO, "the file system of '" SP_FMT "' can't be looked at",
			       SP_ARG(path));
	*ret = (node_disk){.capacity = (uint64_t)fs.f_blocks * fs.f_frsize,
			   .available = (uint64_t)fs.f_bavail * fs.f_frsize,
			   .inodes = fs.f_files,
			   .inodes_free = fs.f_ffree,
			   .device = st.st_dev};
	return SP_OK;
}

static void tell(const node_image_gc *g, const char *reason, sp_str message)
{
	const node_agent *a = g->agent;
	const sp_event_ref about = {
		.kind = SP_STR("Node"), .name = a->opts.node_name, .uid = a->opts.node_name};
	if (a->events != NULL)
		sp_events_emit(a->events, &(sp_event){.about = about,
						      .is_warning = true,
						      .reason = sp_str_c(reason),
						      .message = message});
}

static void on_time(sp_timer *t);
static void begin(node_image_gc *g);

/* message NULL: all is well. It is told when it happens again. */
static void end_round(node_image_gc *g, const char *message)
{
	if (message == NULL) {
		g->n_failed_rounds = 0;
	} else {
		sp_log(g->agent->log, SP_LOG_WARN, "images can't be collected", SP_KC("err", message));
		if (g->n_failed_rounds++ > 0)
			tell(g, "ImageGCFailed", sp_str_c(message));
	}
	g->is_busy = false;
	void (*done)(void *arg) = g->is_all ? SP_TAKE(g->done) : NULL;
	if (g->wants_all && !g->is_all) { /* it was asked for meanwhile */
		begin(g);
		return;
	}
	sp_timer_start(g->agent->world, &g->timer, EVERY_NS, on_time);
	if (done != NULL)
		done(g->done_arg);
}

static void end_freeing(node_image_gc *g)
{
	char text[1024], size[32];
	if (g->any_failed) {
		(void)snprintf(text, sizeof text,
			       "wanted to free %llu bytes, but freed %llu bytes space with errors in image "
			       "deletion: %s",
			       (unsigned long long)g->to_free, (unsigned long long)g->freed, g->why);
		end_round(g, text);
	} else if (g->freed < g->to_free && !g->is_all) {
		node_disk_size(size, g->disk.capacity);
		(void)snprintf(
			text, sizeof text,
			"Insufficient free disk space on the node's image filesystem (%u%% of %s used). "
			"Failed to free sufficient space by deleting unused images (freed %llu bytes). "
			"Investigate disk usage, as it could be used by active images, logs, volumes, or "
			"other data.",
			node_disk_used(&g->disk), size, (unsigned long long)g->freed);
		tell(g, "FreeDiskSpaceFailed", sp_str_c(text));
		end_round(g, text);
	} else {
		end_round(g, NULL);
	}
}

static void free_next(node_image_gc *g);

static void on_removed(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_image_gc *g = c->arg;
	node_image *i = SP_TAKE(g->removing);
	(void)response;
	if (status == SP_RPC_OK) {
		g->freed += i->size;
		g->n_freed++;
		node_images_forget(&g->images, i);
	} else {
		i->failed = true;
		if (!g->any_failed)
			(void)snprintf(g->why, sizeof g->why, "rpc error: code = %s desc = " SP_FMT,
				       node_rpc_code_name(status), SP_ARG(message));
		g->any_failed = true;
	}
	free_next(g);
}

static void free_next(node_image_gc *g)
{
	g->removing = g->freed >= g->to_free ? NULL : node_images_next(&g->images, g->now_ns, AGE_NS_MIN);
	if (g->removing == NULL) {
		end_freeing(g);
		return;
	}
	sp_cri_image_spec spec = {.image = g->removing->id};
	sp_log(g->agent->log, SP_LOG_INFO, "an image is removed to free space", SP_KS("image", spec.image),
	       SP_KI("bytes", (int64_t)g->removing->size));
	g->call = (sp_cri_call){.done = on_removed, .arg = g, .timeout_ns = NODE_CALL_TIMEOUT_NS};
	g->agent->cri->call(g->agent->cri, SP_CRI_REMOVE_IMAGE,
			    &(sp_cri_remove_image_request){.image = &spec}, &g->call);
}

/* On a worker thread. */
static void on_look(sp_work *job)
{
	node_image_gc *g = job->arg;
	const node_agent *a = g->agent;
	g->look_code = (a->opts.disk == NULL ? node_disk_read : a->opts.disk)(
		g->file_system->image_filesystems.at[0].fs_id->mountpoint, &g->disk, &g->look_err);
}

static void on_looked(sp_work *job)
{
	node_image_gc *g = job->arg;
	const node_agent *a = g->agent;
	unsigned high = a->opts.image_high == 0 ? NODE_IMAGES_HIGH_DEFAULT : a->opts.image_high,
		 low = a->opts.image_high == 0 ? NODE_IMAGES_LOW_DEFAULT : a->opts.image_low;
	g->is_looking = false;
	if (g->is_freed) {
		node_image_gc_free(g->agent);
		return;
	}
	if (g->look_code == SP_OK && g->disk.capacity == 0) {
		g->look_code = sp_fail(&g->look_err, SP_EINVAL, "invalid capacity 0 on image filesystem");
		tell(g, "InvalidDiskCapacity", sp_str_c(g->look_err.msg));
	}
	if (g->look_code != SP_OK) {
		end_round(g, g->look_err.msg);
		return;
	}
	g->to_free = g->is_all ? UINT64_MAX : node_disk_surplus(&g->disk, high, low);
	g->freed = 0;
	g->any_failed = false;
	free_next(g);
}

static void begin_freeing(node_image_gc *g)
{
	const sp_cri_image_fs_info_response *r = g->file_system;
	sp_err err = {0};
	if (r->image_filesystems.n == 0 || r->image_filesystems.at[0].fs_id == NULL) {
		end_round(g, "the runtime has no file system of images");
		return;
	}
	g->look_err = (sp_err){0};
	g->work = (sp_work){.fn = on_look, .done = on_looked, .arg = g};
	if (sp_work_start(g->agent->world, &g->work, &err) != SP_OK)
		end_round(g, err.msg);
	else
		g->is_looking = true;
}

/* Without all answers nothing is removed. */
static bool has_failed(node_image_gc *g, const node_batch_item *bad)
{
	char text[300];
	if (bad == NULL)
		return false;
	(void)snprintf(text, sizeof text, "rpc error: code = %s desc = " SP_FMT,
		       node_rpc_code_name(bad->status), SP_ARG(bad->message));
	end_round(g, text);
	return true;
}

/* ---- images that are volumes. U: handleImageVolumes ---- */

static void on_statuses(node_batch *b)
{
	node_image_gc *g = b->arg;
	for (size_t i = 0; i < b->n; i++) {
		const sp_cri_container_status_response *r = b->items[i].response;
		if (b->items[i].status == SP_RPC_NOT_FOUND)
			continue; /* it has gone meanwhile */
		if (b->items[i].status != SP_RPC_OK && has_failed(g, &b->items[i]))
			return;
		if (r->status != NULL)
			node_images_use_mounts(&g->images, r->status, g->now_ns);
	}
	begin_freeing(g);
}

/* Unless its pod is known and has none. */
static bool may_mount_images(const node_image_gc *g, const sp_cri_container *c)
{
	const node_worker *w = NULL;
	for (size_t i = 0; i < c->labels.n; i++) {
		if (sp_str_eq(c->labels.at[i].key, SP_STR(NODE_LABEL_POD_UID)))
			w = node_agent_worker(g->agent, c->labels.at[i].value);
	}
	if (w == NULL || w->pod == NULL)
		return true;
	SP_VLIST_FOREACH(volume, w->pod->v.volumes)
	{
		if (sp_view_at(volume, "image") != NULL)
			return true;
	}
	return false;
}

static void ask_mounts(node_image_gc *g)
{
	size_t n = 0;
	sp_err err = {0};
	for (size_t i = 0; i < g->containers->containers.n; i++)
		n += may_mount_images(g, &g->containers->containers.at[i]);
	if (n == 0) {
		begin_freeing(g);
		return;
	}
	if (node_batch_init(&g->batch, g->agent->cri, &g->arena, n, on_statuses, g, &err) != SP_OK) {
		end_round(g, err.msg);
		return;
	}
	for (size_t i = 0; i < g->containers->containers.n; i++) {
		const sp_cri_container *c = &g->containers->containers.at[i];
		if (may_mount_images(g, c))
			node_batch_add(&g->batch, SP_CRI_CONTAINER_STATUS,
				       &(sp_cri_container_status_request){.container_id = c->id},
				       NODE_CALL_TIMEOUT_NS);
	}
}

static void on_lists(node_batch *b)
{
	node_image_gc *g = b->arg;
	sp_err err = {0};
	if (has_failed(g, node_batch_failed(b)))
		return;
	g->now_ns = sp_wall_ns(g->agent->world);
	g->containers = b->items[1].response;
	g->file_system = b->items[2].response;
	if (node_images_update(&g->images, b->items[0].response, g->containers, g->now_ns, &err) != SP_OK) {
		end_round(g, err.msg);
		return;
	}
	ask_mounts(g);
}

static void begin(node_image_gc *g)
{
	sp_cri_list_images_request images = {0};
	sp_cri_list_containers_request containers = {0};
	sp_cri_empty disk = {0};
	sp_err err = {0};
	sp_timer_stop(g->agent->world, &g->timer);
	g->is_busy = true;
	g->is_all = g->wants_all;
	g->wants_all = false;
	sp_arena_rewind(&g->arena);
	if (node_batch_init(&g->batch, g->agent->cri, &g->arena, 3, on_lists, g, &err) != SP_OK) {
		end_round(g, err.msg);
		return;
	}
	node_batch_add(&g->batch, SP_CRI_LIST_IMAGES, &images, NODE_CALL_TIMEOUT_NS);
	node_batch_add(&g->batch, SP_CRI_LIST_CONTAINERS, &containers, NODE_CALL_TIMEOUT_NS);
	node_batch_add(&g->batch, SP_CRI_IMAGE_FS_INFO, &disk, NODE_CALL_TIMEOUT_NS);
}

static void on_time(sp_timer *t)
{
	begin(t->arg);
}

bool node_image_gc_all(node_agent *a, void (*done)(void *arg), void *arg)
{
	node_image_gc *g = a->image_gc;
	if (g == NULL)
		return false;
	g->wants_all = true;
	g->done = done;
	g->done_arg = arg;
	if (!g->is_busy)
		begin(g);
	return true;
}

void node_image_gc_new(node_agent *a)
{
	if (a->opts.image_high >= 100) /* never full */
		return;
	node_image_gc *g = SP_NEW(node_image_gc);
	g->agent = a;
	g->timer.arg = g;
	sp_arena_init(&g->arena, ROUND_BYTES_MAX);
	node_images_init(&g->images);
	a->image_gc = g;
	begin(g);
}

void node_image_gc_free(node_agent *a)
{
	node_image_gc *g = a->image_gc;
	if (g == NULL)
		return;
	g->is_freed = true;
	sp_timer_stop(a->world, &g->timer);
	node_batch_cancel(&g->batch);
	a->cri->cancel(a->cri, &g->call);
	if (g->is_looking) /* the job has our memory: the end comes with it */
		return;
	a->image_gc = NULL;
	node_images_done(&g->images);
	sp_arena_done(&g->arena);
	sp_free(g);
	node_agent_check_closed(a);
}
