/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers: the helper that unpacks, removes and measures them (runtime/unpack), started with the directories
 * it works on as open descriptors. What it says is not looked at here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/program.h"

#define OUTPUT_BYTES 512u
#define FIRST_FD 3 /* of what the helper is given */
#define ARGS_MAX (24 + 2 * SP_HOST_LAYER_PARENTS_MAX)

_Static_assert(SP_HOST_LAYER_PARENTS_MAX + 1 <= HOST_PROGRAM_FDS_MAX, "every layer is a descriptor");

/* One run of the helper. */
typedef struct layer {
	sp_list node; /* of the host */
	host_request *r;
	uint64_t token;
	host_program *program;
} layer;

static const char *const verbs[SP_HOST_LAYER_KINDS_] = {[SP_HOST_LAYER_UNPACK] = "unpack",
							[SP_HOST_LAYER_REMOVE] = "remove",
							[SP_HOST_LAYER_USAGE] = "usage"};

/* ---- what it works on ---- */

typedef struct given {
	int images, blob;
	int fds[SP_HOST_LAYER_PARENTS_MAX + 1]; /* the directory, then its parents */
	size_t n;
} given;

static void give_back(const given *g)
{
	for (size_t i = 0; i < g->n; i++)
		(void)close(g->fds[i]);
	if (g->blob >= 0)
		(void)close(g->blob);
	if (g->images >= 0)
		(void)close(g->images);
}

/* Below the image store, by no link. */
static sp_code open_below(host_request *r, int images, sp_str path, int flags, int *ret, sp_err *err)
{
	const struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
				     .resolve =
					     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	sp_str text = sp_arena_try_dup(&r->arena, path);
	if (text.len == 0 || memchr(text.ptr, '\0', text.len) != NULL)
		return sp_fail(err, SP_EINVAL, "no path of a layer");
	int fd = (int)syscall(SYS_openat2, images, text.ptr, &how, sizeof how);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open '%s'", text.ptr);
	*ret = fd;
	return SP_OK;
}

static sp_code add_dir(host_request *r, given *g, sp_str path, sp_err *err)
{
	SP_TRY(open_below(r, g->images, path, O_RDONLY | O_DIRECTORY, &g->fds[g->n], err));
	g->n++;
	return SP_OK;
}

/* Of a directory to be removed the one above, and its name. */
static sp_code split(sp_str path, sp_str *ret_above, sp_str *ret_name, sp_err *err)
{
	ptrdiff_t slash = sp_str_rindex(path, '/');
	*ret_above = sp_str_sub(path, 0, slash > 0 ? (size_t)slash : 0);
	*ret_name = sp_str_sub(path, (size_t)(slash + 1), path.len);
	if (ret_above->len == 0 || ret_name->len == 0 || ret_name->ptr[0] == '.')
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no directory of a layer", SP_ARG(path));
	return SP_OK;
}

static sp_code open_all(host_request *r, const sp_host_layer *m, sp_str dir, given *g, sp_err *err)
{
	sp_str images = sp_arena_try_dup(&r->arena, r->h->opts->images_dir);
	g->images = images.len == 0 ? -1 : open(images.ptr, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (g->images < 0)
		return sp_fail_sys(err, errno, "open the image store");
	SP_TRY(add_dir(r, g, dir, err));
	if (m->kind != SP_HOST_LAYER_UNPACK)
		return SP_OK;
	for (size_t i = 0; i < m->parents.n; i++)
		SP_TRY(add_dir(r, g, m->parents.at[i], err));
	return open_below(r, g->images, m->blob, O_RDONLY | O_NONBLOCK, &g->blob, err);
}

/* ---- words ---- */

typedef struct words {
	sp_arena *arena;
	const char *at[ARGS_MAX];
	size_t n;
} words;

static SP_PRINTF(2, 3) void say(words *w, const char *fmt, ...)
{
	char text[256];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	SP_ASSERT(n > 0 && (size_t)n < sizeof text && w->n + 1 < ARGS_MAX);
	w->at[w->n++] = sp_arena_try_dup(w->arena, (sp_str){text, (size_t)n}).ptr;
}

static sp_code say_all(words *w, const sp_host_layer *m, sp_str name, sp_err *err)
{
	say(w, "%s", verbs[m->kind]);
	if (m->kind == SP_HOST_LAYER_REMOVE)
		say(w, "/proc/self/fd/%d/" SP_FMT, FIRST_FD, SP_ARG(name));
	else
		say(w, "/proc/self/fd/%d", FIRST_FD);
	if (m->kind == SP_HOST_LAYER_UNPACK) {
		const struct {
			const char *flag;
			uint64_t value;
		} numbers[] = {{"--bytes", m->bytes_max},
			       {"--inodes", m->inodes_max},
			       {"--reserve", m->reserve_bytes}};
		for (size_t i = 0; i < SP_LEN(numbers); i++) {
			say(w, "%s", numbers[i].flag);
			say(w, "%llu", (unsigned long long)numbers[i].value);
		}
		if (m->allow_devices)
			say(w, "--allow-devices");
		for (size_t i = 0; i < m->parents.n; i++) {
			say(w, "--parent");
			say(w, "/proc/self/fd/%zu", FIRST_FD + 1 + i);
		}
	}
	for (size_t i = 0; i < w->n; i++) {
		if (w->at[i] == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for the words of a helper");
	}
	return SP_OK;
}

/* ---- running ---- */

static void on_done(void *arg, const host_program_result *result)
{
	layer *l = arg;
	const sp_host_layer_answer answer = {.output = result->out, .status = result->code};
	sp_list_remove(&l->node);
	host_answer(l->r, &answer);
	sp_free(l);
}

static sp_code run(host_request *r, const sp_host_layer *m, const words *w, const given *g, sp_err *err)
{
	layer *l = SP_NEW(layer);
	*l = (layer){.r = r, .token = m->token};
	const host_program_opts opts = {.argv = w->at,
					.in = g->blob >= 0 ? g->blob : 0,
					.more = g->fds,
					.n_more = g->n,
					.out_bytes = OUTPUT_BYTES,
					.apart = true,
					.holds_lock = true,
					.done = on_done,
					.arg = l};
	sp_code code = host_program_run(r->h, &opts, &l->program, err);
	if (code == SP_OK)
		sp_list_push_back(&r->h->layers, &l->node);
	else
		sp_free(l);
	return code;
}

sp_code host_layer(host_request *r, const void *message, sp_err *err)
{
	const sp_host_layer *m = message;
	sp_str dir = m->dir, name = SP_STR("");
	if (m->kind < 0 || m->kind >= SP_HOST_LAYER_KINDS_ || m->parents.n > SP_HOST_LAYER_PARENTS_MAX)
		return sp_fail(err, SP_EINVAL, "malformed request for a layer");
	if (m->kind == SP_HOST_LAYER_REMOVE)
		SP_TRY(split(m->dir, &dir, &name, err));
	if (name.len > SP_HOST_ID_BYTES)
		return sp_fail(err, SP_EINVAL, "malformed request for a layer");
	words *w = sp_new(&r->arena, words, 1);
	given *g = sp_new(&r->arena, given, 1);
	*w = (words){.arena = &r->arena};
	*g = (given){.images = -1, .blob = -1};
	w->at[w->n++] = sp_arena_try_dup(&r->arena, r->h->opts->unpack).ptr;
	sp_code code = open_all(r, m, dir, g, err);
	if (code == SP_OK)
		code = say_all(w, m, name, err);
	if (code == SP_OK)
		code = run(r, m, w, g, err);
	give_back(g);
	return code;
}

sp_code host_layer_stop(host_request *r, const void *message, sp_err *err)
{
	const sp_host_layer_stop *m = message;
	(void)err;
	SP_LIST_FOREACH (n, &r->h->layers) {
		layer *l = SP_CONTAINER_OF(n, layer, node);
		if (l->token == m->token)
			host_program_kill(l->program);
	}
	host_answer(r, NULL);
	return SP_OK;
}
