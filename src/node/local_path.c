/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of volumes that were given back are removed, and that is told (contracts/local_path.h). One at
 * a time: each answer is a change of the node, which brings the next. */
#include "contracts/local_path.h"

#include "base/alloc.h"
#include "base/json_out.h"
#include "node/node_int.h"

#define BODY_BYTES_MAX 4096u
#define NODE_BYTES_MAX ((size_t)4 << 20)
#define PATH_BYTES 4096u

struct node_local_path {
	node_agent *agent;
	sp_informers *set; /* the node itself, and no other: more it may not follow */
	sp_informer *informer;
	sp_informer_watch watch;
	char volume[64], path[PATH_BYTES];
	sp_work work;
	sp_code work_code;
	sp_err work_err;
	sp_call call;
	sp_timer again;
	bool busy, is_working, is_freed;
};

typedef struct node_notes {
	sp_vmap annotations;
} node_notes;
SP_VIEW(notes_desc, node_notes, "v1/Node", SP_V(node_notes, annotations, "metadata.annotations"));

static void look(node_local_path *l);

static void done(node_local_path *l)
{
	l->busy = false;
	look(l);
}

static void on_again(sp_timer *t)
{
	done(t->arg);
}

static void later(node_local_path *l)
{
	sp_timer_start(l->agent->world, &l->again, NODE_RETRY_NS, on_again);
}

static void on_told(sp_call *c, const sp_answer *a)
{
	node_local_path *l = c->arg;
	if (a->code == SP_OK) { /* its event may come after this: it says again what is done already */
		sp_log(l->agent->log, SP_LOG_INFO, "a volume was removed", SP_KC("volume", l->volume));
		done(l);
		return;
	}
	sp_log(l->agent->log, SP_LOG_WARN, "the removal of a volume can't be told", SP_KS("err", a->message));
	later(l);
}

static void tell(node_local_path *l)
{
	SP_AUTO_BUF body;
	char note[sizeof SP_LOCAL_PATH_NOTE + sizeof l->volume];
	sp_buf_init(&body, BODY_BYTES_MAX);
	(void)snprintf(note, sizeof note, "%s%s", SP_LOCAL_PATH_NOTE, l->volume);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_open(&j, SP_STR("annotations"), '{');
	sp_jout_member_str(&j, sp_str_c(note), SP_STR(SP_LOCAL_PATH_REMOVED));
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	if (sp_buf_code(&body) != SP_OK) {
		later(l);
		return;
	}
	l->call = (sp_call){.done = on_told, .arg = l};
	sp_call_start(l->agent->client, &l->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = SP_NODES,
				.name = l->agent->opts.node_name,
				.body = sp_buf_view(&body)});
}

/* On a worker thread. */
static void on_remove(sp_work *job)
{
	node_local_path *l = job->arg;
	sp_pod_files *f = l->agent->files;
	l->work_code = f->remove_tree(f, sp_str_c(l->path), &l->work_err);
}

static void on_removed(sp_work *job)
{
	node_local_path *l = job->arg;
	l->is_working = false;
	if (l->is_freed) {
		node_agent *a = l->agent;
		a->local_path = NULL;
		sp_free(l);
		node_agent_check_closed(a);
		return;
	}
	if (l->work_code == SP_OK) {
		tell(l);
		return;
	}
	sp_log(l->agent->log, SP_LOG_WARN, "a volume can't be removed", SP_KC("volume", l->volume),
	       SP_KE(&l->work_err));
	later(l);
}

static void remove_volume(node_local_path *l, sp_str volume)
{
	int n = snprintf(l->path, sizeof l->path, SP_FMT "/" SP_FMT, SP_ARG(l->agent->opts.local_path_dir),
			 SP_ARG(volume));
	if (n < 0 || (size_t)n >= sizeof l->path)
		return;
	(void)snprintf(l->volume, sizeof l->volume, SP_FMT, SP_ARG(volume));
	l->busy = true;
	l->work_err = (sp_err){0};
	l->work = (sp_work){.fn = on_remove, .done = on_removed, .arg = l};
	if (sp_work_start(l->agent->world, &l->work, &l->work_err) != SP_OK)
		later(l);
	else
		l->is_working = true;
}

static void look(node_local_path *l)
{
	const sp_object *o = sp_informer_get(l->informer, l->agent->opts.node_name);
	node_notes notes;
	yyjson_val *key, *value;
	size_t i, n;
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, NODE_BYTES_MAX);
	if (l->busy || o == NULL || sp_view(&arena, o->json, &notes_desc, &notes, NULL) != SP_OK ||
	    notes.annotations.object == NULL)
		return;
	yyjson_obj_foreach(notes.annotations.object, i, n, key, value)
	{
		sp_str volume = sp_json_str(key);
		if (!sp_str_take(&volume, SP_STR(SP_LOCAL_PATH_NOTE)) || !sp_local_path_is_volume(volume) ||
		    !sp_str_eq(sp_json_str(value), SP_STR(SP_LOCAL_PATH_REMOVE)))
			continue;
		remove_volume(l, volume);
		return;
	}
}

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	(void)old, (void)now;
	look(arg);
}

sp_code node_local_path_new(node_agent *a, sp_err *err)
{
	if (a->opts.local_path_dir.len == 0)
		return SP_OK;
	sp_str selector = sp_arena_printf(&a->arena, "metadata.name=" SP_FMT, SP_ARG(a->opts.node_name));
	node_local_path *l = SP_NEW(node_local_path);
	l->agent = a;
	l->again.arg = l;
	l->watch = (sp_informer_watch){.on_change = on_node, .arg = l};
	sp_list_init(&l->watch.node);
	a->local_path = l;
	SP_TRY(sp_informers_new(a->client, a->log, &l->set, err));
	SP_TRY(sp_informers_get(l->set, &(sp_informer_opts){.gvr = SP_NODES, .field_selector = selector},
				&l->informer, err));
	SP_TRY(sp_informer_keep(l->informer, &notes_desc));
	sp_informer_watch_add(l->informer, &l->watch);
	sp_informers_start(l->set);
	return SP_OK;
}

void node_local_path_free(node_agent *a)
{
	node_local_path *l = a->local_path;
	if (l == NULL)
		return;
	sp_call_cancel(&l->call);
	sp_timer_stop(a->world, &l->again);
	sp_informer_watch_remove(&l->watch);
	if (l->set != NULL)
		sp_informers_free(SP_TAKE(l->set));
	l->is_freed = true; /* a job has our memory: its end is ours */
	if (!l->is_working) {
		a->local_path = NULL;
		sp_free(l);
	}
}
