/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store on a node that loses its power at any time, with a disk that keeps what was synced, pulling
 * from a registry over a network with faults. What was acknowledged is there after every start, whole; what
 * was removed is gone; in the end a collection leaves nothing behind.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "io/http.h"
#include "io/sim/sim.h"
#include "io/tls/sha256.h"
#include "lib/t.h"
#include "runtime/image/manifest.h"
#include "runtime/image/pull.h"

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define N_LAYERS 6u
#define N_IMAGES 4u
#define LAYERS_MAX 4u
#define UNCLEAN_MAX 4u
#define OPS_END_NS (40 * SECOND)
#define LAYER_BYTES_MAX ((size_t)600 << 10)

/* ---- what the registry has ---- */

typedef struct text {
	char *bytes;
	size_t n;
	char digest[72];
} text;

typedef struct image_def {
	text manifest, config;
	size_t layers[LAYERS_MAX], n_layers;
	char name[40];
} image_def;

typedef enum knowledge { ABSENT, MAYBE, PRESENT } knowledge;

/* Of the run; outlives every life of the node. */
static struct {
	sp_sim *sim;
	text layers[N_LAYERS];
	image_def images[N_IMAGES];
	knowledge image[N_IMAGES], container[N_IMAGES];
	unsigned n_broken, n_pulls, n_starts, n_unclean;
	bool finished;
} all;

static void digest_of(text *t)
{
	sp_sha256_sum *s = sp_sha256_new();
	SP_ASSERT(s != NULL);
	memcpy(t->digest, "sha256:", 7);
	sp_sha256_update(s, t->bytes, t->n);
	sp_sha256_text(s, t->digest + 7);
	sp_sha256_free(s);
}

static void make_text(text *t, sp_buf *b)
{
	t->bytes = sp_alloc(b->len + 1);
	memcpy(t->bytes, b->ptr, b->len);
	t->n = b->len;
	digest_of(t);
	sp_buf_clear(b);
}

static void make_image(image_def *m, size_t i, sp_buf *b)
{
	m->n_layers = 1 + t_random_below(LAYERS_MAX);
	(void)snprintf(m->name, sizeof m->name, "10.0.0.1:80/lib/image%zu:v1", i);
	(void)sp_buf_printf(b, "{\"os\":\"linux\",\"config\":{\"User\":\"%zu\"},\"rootfs\":{\"diff_ids\":[",
			    i);
	for (size_t k = 0; k < m->n_layers; k++) {
		m->layers[k] = t_random_below(N_LAYERS);
		(void)sp_buf_printf(b, "%s\"%s\"", k > 0 ? "," : "", all.layers[m->layers[k]].digest);
	}
	(void)sp_buf_printf(b, "]}}");
	make_text(&m->config, b);
	(void)sp_buf_printf(b, "{\"config\":{\"digest\":\"%s\",\"size\":%zu},\"layers\":[", m->config.digest,
			    m->config.n);
	for (size_t k = 0; k < m->n_layers; k++) {
		const text *l = &all.layers[m->layers[k]];
		(void)sp_buf_printf(
			b, "%s{\"mediaType\":\"" IMAGE_TYPE_OCI_LAYER "\",\"digest\":\"%s\",\"size\":%zu}",
			k > 0 ? "," : "", l->digest, l->n);
	}
	(void)sp_buf_printf(b, "]}");
	make_text(&m->manifest, b);
}

static void make_all(void)
{
	sp_buf b;
	sp_buf_init(&b, 1 << 20);
	memset(&all, 0, sizeof all);
	for (size_t i = 0; i < N_LAYERS; i++) {
		size_t n = 1 + t_random_below(LAYER_BYTES_MAX);
		char *p = sp_buf_reserve(&b, n);
		for (size_t k = 0; k < n; k++)
			p[k] = (char)(t_random_below(4) + i);
		sp_buf_added(&b, n);
		make_text(&all.layers[i], &b);
	}
	for (size_t i = 0; i < N_IMAGES; i++)
		make_image(&all.images[i], i, &b);
	sp_buf_done(&b);
}

static void free_all(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < N_LAYERS; i++)
		sp_free(all.layers[i].bytes);
	for (size_t i = 0; i < N_IMAGES; i++) {
		sp_free(all.images[i].manifest.bytes);
		sp_free(all.images[i].config.bytes);
	}
}

/* ---- the registry ---- */

typedef struct registry {
	sp_world *world;
	sp_http_server *http;
	sp_listener *listener;
	sp_defer gone;
} registry;

static const text *find_text(sp_str path)
{
	for (size_t i = 0; i < N_IMAGES; i++) {
		const image_def *m = &all.images[i];
		char tag[48];
		(void)snprintf(tag, sizeof tag, "/v2/lib/image%zu/manifests/v1", i);
		if (sp_str_eq(path, sp_str_c(tag)) || sp_str_ends(path, sp_str_c(m->manifest.digest)))
			return &m->manifest;
		if (sp_str_ends(path, sp_str_c(m->config.digest)))
			return &m->config;
	}
	for (size_t i = 0; i < N_LAYERS; i++) {
		if (sp_str_ends(path, sp_str_c(all.layers[i].digest)))
			return &all.layers[i];
	}
	return NULL;
}

static void on_request(void *arg, sp_http_exchange *ex)
{
	const text *t = find_text(ex->path);
	sp_str range = sp_http_get(&ex->headers, SP_HTTP_RANGE);
	char content_range[80];
	uint64_t start = 0;
	(void)arg;
	if (t == NULL || sp_sim_random_below(all.sim, 20) == 0) {
		(void)sp_http_respond(ex, t == NULL ? 404 : 503, NULL, 0, (sp_str){NULL, 0}, NULL);
		return;
	}
	/* Sometimes ranges are not known. */
	if (sp_str_take(&range, SP_STR("bytes=")) && sp_sim_random_below(all.sim, 4) > 0) {
		for (; range.len > 0 && range.ptr[0] != '-'; range = sp_str_sub(range, 1, range.len))
			start = start * 10 + (uint64_t)(range.ptr[0] - '0');
	}
	if (start >= t->n)
		start = 0;
	(void)snprintf(content_range, sizeof content_range, "bytes %llu-%zu/%zu", (unsigned long long)start,
		       t->n - 1, t->n);
	const sp_http_header h = {SP_STR("content-range"), sp_str_c(content_range)};
	(void)sp_http_respond(ex, start > 0 ? 206 : 200, &h, start > 0,
			      (sp_str){t->bytes + start, t->n - start}, NULL);
}

static void on_accept(void *arg, sp_stream *s)
{
	sp_http_server_accept(((registry *)arg)->http, s);
}

static void *registry_start(void *arg, sp_world *w)
{
	registry *r = SP_NEW(registry);
	(void)arg;
	r->world = w;
	const sp_http_server_opts o = {.on_request = on_request, .arg = r};
	SP_ASSERT(sp_http_server_new(w, &o, &r->http, NULL) == SP_OK);
	SP_ASSERT(sp_listen(w, SP_STR("0.0.0.0:80"), NULL, on_accept, r, &r->listener, NULL) == SP_OK);
	return r;
}

static void on_registry_gone(sp_defer *d)
{
	registry *r = d->arg;
	sp_http_server_free(r->http);
	sp_free(r);
}

static void on_drained(void *arg)
{
	registry *r = arg;
	sp_defer_init(&r->gone, on_registry_gone, r);
	sp_defer_call(r->world, &r->gone);
}

static void registry_end(void *state, sp_world *w)
{
	registry *r = state;
	(void)w;
	sp_listener_close(r->listener);
	sp_http_server_drain(r->http, 0, on_drained, r);
}

static const sp_sim_program registry_program = {registry_start, registry_end};

/* ---- an unpacker on the simulated disk: a layer's directory holds one file, its stream ---- */

typedef struct node node;

typedef struct fake_job {
	sp_work work;
	sp_world *world;
	image_job *job;
	bool cancelled;
	sp_code code;
	sp_err err;
} fake_job;

static sp_code fake_unpack(fake_job *f, image_job *j, sp_arena *a)
{
	sp_str bytes, to = SP_CONCAT(a, j->dir, SP_STR("/layer"));
	text t = {.n = 0};
	sp_file *file;
	SP_TRY(sp_file_read_arena(f->world, j->blob, a, LAYER_BYTES_MAX, &bytes, &f->err));
	SP_TRY(sp_file_open(f->world, to, SP_FILE_WRITE | SP_FILE_CREATE | SP_FILE_EXCLUSIVE, 0644, &file,
			    &f->err));
	sp_code code = sp_file_pwrite(file, 0, bytes.ptr, bytes.len, &f->err);
	if (code == SP_OK)
		code = sp_file_sync(file, false, &f->err);
	sp_file_close(file);
	SP_TRY(code);
	t.bytes = (char *)(uintptr_t)bytes.ptr;
	t.n = bytes.len;
	digest_of(&t);
	memcpy(j->diff_id, t.digest, sizeof j->diff_id);
	j->bytes = bytes.len;
	j->inodes = 1;
	/* The helper syncs the filesystem: the names above, too. */
	sp_str above = sp_str_sub(j->dir, 0, (size_t)sp_str_rindex(j->dir, '/'));
	SP_TRY(sp_dir_sync(f->world, j->dir, &f->err));
	SP_TRY(sp_dir_sync(f->world, above, &f->err));
	return sp_dir_sync(f->world, sp_str_sub(above, 0, (size_t)sp_str_rindex(above, '/')), &f->err);
}

static sp_code fake_remove(fake_job *f, sp_str dir, sp_arena *a)
{
	sp_dir_entry *entries;
	size_t n;
	sp_code code = sp_dir_list(f->world, dir, a, &entries, &n, &f->err);
	if (code == SP_ENOTFOUND)
		return SP_OK;
	SP_TRY(code);
	for (size_t i = 0; i < n; i++) {
		sp_str path = SP_CONCAT(a, dir, SP_STR("/"), entries[i].name);
		SP_TRY(entries[i].type == SP_TYPE_DIR ? fake_remove(f, path, a)
						      : sp_path_unlink(f->world, path, &f->err));
	}
	return sp_dir_remove(f->world, dir, &f->err);
}

static void fake_work(sp_work *job)
{
	fake_job *f = job->arg;
	sp_arena a;
	sp_arena_init(&a, (size_t)4 << 20);
	f->code = f->job->kind == IMAGE_JOB_UNPACK ? fake_unpack(f, f->job, &a)
						   : fake_remove(f, f->job->dir, &a);
	sp_arena_done(&a);
}

static void fake_done(sp_work *job)
{
	fake_job *f = job->arg;
	sp_code code = f->cancelled ? sp_fail(&f->err, SP_ECANCELED, "canceled") : f->code;
	sp_err err = f->err;
	image_job *j = f->job;
	sp_free(f);
	j->done(j, code, code == SP_OK ? NULL : &err);
}

static sp_code fake_start(void *arg, image_job *j, sp_err *err)
{
	fake_job *f = SP_NEW(fake_job);
	f->world = arg;
	f->job = j;
	f->work = (sp_work){.fn = fake_work, .done = fake_done, .arg = f};
	sp_code code = sp_work_start(f->world, &f->work, err);
	if (code == SP_OK)
		j->impl[0] = f;
	else
		sp_free(f);
	return code;
}

static void fake_cancel(void *arg, image_job *j)
{
	(void)arg;
	((fake_job *)j->impl[0])->cancelled = true;
}

/* ---- the node ---- */

struct node {
	sp_world *world;
	image_unpacker unpacker;
	image_store *store;
	image_registry *registry;
	image_pull *pulls[N_IMAGES];
	bool busy[N_IMAGES];
	unsigned n_busy;
	sp_timer timer;
	struct slot {
		node *node;
		size_t i;
	} slots[N_IMAGES];
};

static void broken(const char *what, size_t i)
{
	all.n_broken++;
	(void)fprintf(stderr, "life %u, image %zu: %s\n", all.n_starts, i, what);
}

static bool file_is(sp_world *w, sp_str path, const text *want, sp_arena *a)
{
	sp_str got;
	return sp_file_read_arena(w, path, a, LAYER_BYTES_MAX, &got, NULL) == SP_OK &&
	       sp_str_eq(got, (sp_str){want->bytes, want->n});
}

static void check_blob(node *n, size_t i, const text *t, sp_arena *a)
{
	sp_str path = SP_CONCAT(a, SP_STR("/images/blobs/sha256/"), sp_str_c(t->digest + 7));
	if (!file_is(n->world, path, t, a))
		broken("a content is missing or damaged", i);
}

static void check_image(node *n, size_t i, sp_arena *a)
{
	const image_def *m = &all.images[i];
	check_blob(n, i, &m->manifest, a);
	check_blob(n, i, &m->config, a);
	for (size_t k = 0; k < m->n_layers; k++)
		check_blob(n, i, &all.layers[m->layers[k]], a);
}

static void check_container(node *n, size_t i, const image_rootfs *r, sp_arena *a)
{
	const image_def *m = &all.images[i];
	sp_stat st;
	if (r->lower.n != m->n_layers || !sp_str_eq(r->image_id, sp_str_c(m->config.digest))) {
		broken("a container has other layers", i);
		return;
	}
	for (size_t k = 0; k < m->n_layers; k++) {
		sp_str path =
			SP_CONCAT(a, r->snapshots_dir, SP_STR("/"), r->lower.items[k], SP_STR("/layer"));
		if (!file_is(n->world, path, &all.layers[m->layers[m->n_layers - 1 - k]], a))
			broken("a layer is missing or damaged", i);
	}
	sp_str upper = SP_CONCAT(a, r->snapshots_dir, SP_STR("/"), r->upper);
	if (sp_path_stat(n->world, upper, &st, NULL) != SP_OK || st.type != SP_TYPE_DIR)
		broken("an upper directory is missing", i);
}

static void key_of(size_t i, char out[8])
{
	(void)snprintf(out, 8, "c%zu", i);
}

/* Against what was acknowledged; what was under way may be either. */
static void check_all(node *n)
{
	for (size_t i = 0; i < N_IMAGES; i++) {
		sp_arena a;
		image_rootfs r;
		char key[8];
		sp_arena_init(&a, (size_t)16 << 20);
		key_of(i, key);
		bool has = image_find(n->store, sp_str_c(all.images[i].name)) != NULL;
		bool mounted = image_rootfs_find(n->store, sp_str_c(key), &a, &r);
		if (all.image[i] == (has ? ABSENT : PRESENT))
			broken(has ? "it was removed and is there" : "it was pulled and is not there", i);
		if (all.container[i] == (mounted ? ABSENT : PRESENT))
			broken(mounted ? "its container was removed and is there" : "its container is gone",
			       i);
		all.image[i] = has ? PRESENT : ABSENT;
		all.container[i] = mounted ? PRESENT : ABSENT;
		if (has)
			check_image(n, i, &a);
		if (mounted)
			check_container(n, i, &r, &a);
		sp_arena_done(&a);
	}
	if (image_broken(n->store).n > 0)
		broken("a name is broken", 0);
}

/* ---- what it does ---- */

static void begin(node *n, size_t i)
{
	n->busy[i] = true;
	n->n_busy++;
}

static void end(node *n, size_t i)
{
	n->busy[i] = false;
	n->n_busy--;
}

/* An error leaves it open whether it happened. */
static void learn(node *n, knowledge *k, sp_code code, knowledge value)
{
	if (sp_sim_is_alive(n->world))
		*k = code == SP_OK ? value : MAYBE;
}

static void on_pulled(void *arg, sp_code code, const image *img, const sp_err *err)
{
	struct slot *s = arg;
	(void)img;
	(void)err;
	s->node->pulls[s->i] = NULL;
	all.n_pulls += code == SP_OK;
	/* A failed one changed nothing, but its last step may have failed on disk only. */
	learn(s->node, &all.image[s->i], code, PRESENT);
	end(s->node, s->i);
}

static void on_removed(void *arg, sp_code code, const sp_err *err)
{
	struct slot *s = arg;
	(void)err;
	learn(s->node, &all.image[s->i], code, ABSENT);
	end(s->node, s->i);
}

static void on_prepared(void *arg, sp_code code, const image_rootfs *r, const sp_err *err)
{
	struct slot *s = arg;
	(void)r;
	(void)err;
	learn(s->node, &all.container[s->i], code, PRESENT);
	end(s->node, s->i);
}

static void on_unmounted(void *arg, sp_code code, const sp_err *err)
{
	struct slot *s = arg;
	(void)err;
	learn(s->node, &all.container[s->i], code, ABSENT);
	end(s->node, s->i);
}

static void on_collected(void *arg, sp_code code, image_usage freed, const sp_err *err)
{
	struct slot *s = arg;
	(void)code;
	(void)freed;
	(void)err;
	end(s->node, s->i);
}

static void do_something(node *n, size_t i)
{
	struct slot *s = &n->slots[i];
	sp_str name = sp_str_c(all.images[i].name);
	char key[8];
	key_of(i, key);
	begin(n, i);
	switch (sp_sim_random_below(all.sim, 9)) {
	case 0:
	case 1:
	case 2:
	case 3: {
		const image_pull_opts o = {.reference = name,
					   .no_unpack = sp_sim_random_below(all.sim, 4) == 0,
					   .done = on_pulled,
					   .arg = s};
		all.image[i] = all.image[i] == PRESENT ? PRESENT : MAYBE;
		if (image_pull_start(n->store, n->registry, &o, &n->pulls[i], NULL) != SP_OK)
			end(n, i);
		break;
	}
	case 4:
		all.image[i] = MAYBE;
		image_remove(n->store, name, on_removed, s);
		break;
	case 5:
		all.container[i] = MAYBE;
		image_rootfs_prepare(n->store, name, sp_str_c(key), on_prepared, s);
		break;
	case 6:
		all.container[i] = MAYBE;
		image_rootfs_remove(n->store, sp_str_c(key), on_unmounted, s);
		break;
	case 7:
		image_collect_leftovers(n->store, on_collected, s);
		break;
	default:
		image_collect(n->store, on_collected, s);
		break;
	}
}

/* ---- the last collection ---- */

static void on_timer(sp_timer *t);

static size_t count(node *n, const char *dir)
{
	sp_arena a;
	sp_dir_entry *entries;
	size_t count = 0;
	sp_arena_init(&a, (size_t)1 << 20);
	if (sp_dir_list(n->world, sp_str_c(dir), &a, &entries, &count, NULL) != SP_OK)
		broken("a directory can't be listed", 0);
	sp_arena_done(&a);
	return count;
}

/* What was canceled may still be cleaning up behind itself: then once more. */
static bool is_clean(node *n)
{
	bool wanted[N_LAYERS] = {false};
	size_t blobs = 0, most = 0;
	for (size_t i = 0; i < N_IMAGES; i++) {
		bool used = all.image[i] == PRESENT || all.container[i] == PRESENT;
		blobs += used ? 2 : 0;
		most += used ? all.images[i].n_layers : 0;
		most += all.container[i] == PRESENT;
		for (size_t k = 0; all.image[i] == PRESENT && k < all.images[i].n_layers; k++)
			wanted[all.images[i].layers[k]] = true;
	}
	for (size_t k = 0; k < N_LAYERS; k++)
		blobs += wanted[k];
	return count(n, "/images/blobs/sha256") == blobs && count(n, "/images/ingest") == 0 &&
	       count(n, "/images/snapshots") <= most;
}

static void on_last(void *arg, sp_code code, image_usage freed, const sp_err *err)
{
	node *n = arg;
	(void)freed;
	(void)err;
	if (!sp_sim_is_alive(n->world))
		return;
	check_all(n);
	if (code != SP_OK)
		broken("the last collection failed", 0);
	else if (is_clean(n))
		all.finished = true;
	else if (++all.n_unclean == UNCLEAN_MAX)
		broken("something is left behind", 0);
	else
		sp_timer_start(n->world, &n->timer, SECOND, on_timer);
}

static void on_timer(sp_timer *t)
{
	node *n = t->arg;
	size_t i = sp_sim_random_below(all.sim, N_IMAGES);
	if (sp_sim_now_ns(all.sim) > OPS_END_NS) {
		if (n->n_busy == 0 && !all.finished) {
			image_collect(n->store, on_last, n);
			return;
		}
	} else if (n->pulls[i] != NULL && sp_sim_random_below(all.sim, 10) == 0) {
		image_pull_cancel(n->pulls[i]);
	} else if (!n->busy[i]) {
		do_something(n, i);
	}
	sp_timer_start(n->world, &n->timer, sp_sim_random_below(all.sim, 200 * MS), on_timer);
}

/* ---- its lives ---- */

static void *node_start(void *arg, sp_world *w)
{
	node *n = SP_NEW(node);
	sp_err err;
	(void)arg;
	all.n_starts++;
	n->world = w;
	n->unpacker = (image_unpacker){.start = fake_start, .cancel = fake_cancel, .arg = w};
	for (size_t i = 0; i < N_IMAGES; i++)
		n->slots[i] = (struct slot){n, i};
	const image_store_opts so = {.dir = SP_STR("/images"), .unpacker = &n->unpacker};
	const image_registry_opts ro = {.config_dir = SP_STR("/certs"), .stall_ns = 5 * SECOND};
	sp_str toml = SP_STR("server = 'http://10.0.0.1:80'\n");
	sp_code code = sp_dir_make(w, SP_STR("/certs/_default"), 0755, &err);
	if (code == SP_OK)
		code = sp_file_replace(w, SP_STR("/certs/_default/hosts.toml"), toml, 0644, &err);
	if (code == SP_OK)
		code = image_registry_new(w, &ro, &n->registry, &err);
	if (code == SP_OK)
		code = image_store_open(w, &so, &n->store, &err);
	n->timer.arg = n;
	if (code == SP_OK)
		check_all(n);
	else if (code != SP_EIO) /* a fault of the disk: dies at the next crash */
		broken(err.msg, 0);
	if (code == SP_OK)
		sp_timer_start(w, &n->timer, 1, on_timer);
	else if (!all.finished)
		sp_sim_crash(sp_sim_host_of(w), SECOND);
	return n;
}

static void on_registry_closed(void *arg)
{
	sp_free(arg);
}

static void on_store_closed(void *arg)
{
	node *n = arg;
	if (n->registry != NULL)
		image_registry_close(n->registry, on_registry_closed, n);
	else
		sp_free(n);
}

static void node_end(void *state, sp_world *w)
{
	node *n = state;
	sp_timer_stop(w, &n->timer);
	if (n->store != NULL)
		image_store_close(n->store, on_store_closed, n);
	else
		on_store_closed(n);
}

static const sp_sim_program node_program = {node_start, node_end};

static bool is_finished(void *arg)
{
	(void)arg;
	return all.finished || all.n_broken > 0;
}

static void run(sp_sim_opts *o)
{
	o->faults.until_ns = OPS_END_NS;
	make_all();
	T_DEFER(free_all, NULL);
	all.sim = sp_sim_new(o);
	sp_sim_host_new(all.sim, "registry", &registry_program, NULL);
	sp_sim_host_new(all.sim, "node", &node_program, NULL);
	bool finished = sp_sim_run(all.sim, is_finished, NULL, 600 * SECOND);
	sp_sim_free(all.sim);
	T_TRUE(finished);
	T_EQ_U64(all.n_broken, 0);
	T_TRUE(all.finished);
	T_TRUE(all.n_pulls > 0 || all.n_starts > 3);
}

SP_TEST(sim_image, calm)
{
	sp_sim_opts o = {.seed = t_random()};
	run(&o);
}

SP_TEST(sim_image, crashes)
{
	sp_sim_opts o = {.seed = t_random(), .faults = {.crash_ppm = 20000, .down_ns = SECOND}};
	run(&o);
}

SP_TEST(sim_image, all_faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), true);
	run(&o);
}
