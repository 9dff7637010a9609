/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/image/verbs.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "runtime/image/transfer.h"

#define OUT_BYTES ((size_t)4 << 20) /* of one answer */

struct image_verb {
	image_store *store;
	image_registry *registry;
	image_verb_opts o;
	image_pull *pull;
	sp_str os, architecture, variant;
	size_t i_arg;
	sp_buf out;
};

/* Says what is printed, and ends. */
static void finish(image_verb *v, sp_code code, const sp_err *err)
{
	image_verb_opts o = v->o;
	sp_err full;
	if (code == SP_OK && sp_buf_code(&v->out) != SP_OK) {
		code = sp_fail(&full, SP_ETOOLARGE, "the answer is too long");
		err = &full;
	}
	if (sp_buf_code(&v->out) == SP_OK && v->out.len > 0)
		o.out(o.arg, sp_buf_view(&v->out));
	sp_buf_done(&v->out);
	sp_free(v);
	o.done(o.arg, code, err);
}

static void on_done(void *arg, sp_code code, const sp_err *err)
{
	finish(arg, code, err);
}

/* ---- pull ---- */

static void on_progress(void *arg, const image_progress *p)
{
	image_verb *v = arg;
	v->o.progress(v->o.arg, v->o.args[v->i_arg], p);
}

static void pull_next(image_verb *v);

static void on_pulled(void *arg, sp_code code, const image *img, const sp_err *err)
{
	image_verb *v = arg;
	v->pull = NULL;
	if (code != SP_OK) {
		finish(v, code, err);
		return;
	}
	sp_buf_printf(&v->out, SP_FMT "\n", SP_ARG(img->id));
	v->i_arg++;
	pull_next(v);
}

static void pull_next(image_verb *v)
{
	const image_credentials login = {.username = v->o.username, .password = v->o.password};
	sp_err err;
	if (v->i_arg == v->o.n_args) {
		finish(v, SP_OK, NULL);
		return;
	}
	const image_pull_opts o = {.reference = v->o.args[v->i_arg],
				   .credentials = v->o.username.len > 0 ? &login : NULL,
				   .os = v->os,
				   .architecture = v->architecture,
				   .variant = v->variant,
				   .no_unpack = v->o.no_unpack,
				   .on_progress = on_progress,
				   .done = on_pulled,
				   .arg = v};
	sp_code code = image_pull_start(v->store, v->registry, &o, &v->pull, &err);
	if (code != SP_OK)
		finish(v, code, &err);
}

/* ---- import, export ---- */

static sp_str file_of(const image_verb *v)
{
	return v->o.file.len > 0 ? v->o.file : v->o.args[0];
}

static void import_next(image_verb *v);

static void on_imported(void *arg, sp_code code, sp_strs names, const sp_err *err)
{
	image_verb *v = arg;
	for (size_t i = 0; i < names.n; i++)
		sp_buf_printf(&v->out, SP_FMT "\n", SP_ARG(names.items[i]));
	v->i_arg++;
	if (code != SP_OK || v->i_arg == v->o.n_args)
		finish(v, code, err);
	else
		import_next(v);
}

static void import_next(image_verb *v)
{
	const image_import_opts o = {.path = v->i_arg == 0 ? file_of(v) : v->o.args[v->i_arg],
				     .shown = v->o.args[v->i_arg],
				     .base_name = v->o.base_name,
				     .os = v->os,
				     .architecture = v->architecture,
				     .variant = v->variant,
				     .done = on_imported,
				     .arg = v};
	image_import(v->store, &o);
}

static void run_export(image_verb *v)
{
	const image_export_opts o = {.path = file_of(v),
				     .references = v->o.args + 1,
				     .n_references = v->o.n_args - 1,
				     .done = on_done,
				     .arg = v};
	image_export(v->store, &o);
}

/* ---- list, remove, prune, tag ---- */

static void put_size(sp_buf *out, uint64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	size_t u = 0;
	uint64_t tenths = bytes * 10;
	while (tenths >= 10000 && u + 1 < SP_LEN(units)) {
		tenths /= 1000;
		u++;
	}
	if (u == 0)
		sp_buf_printf(out, "%10llu %s", (unsigned long long)bytes, units[u]);
	else
		sp_buf_printf(out, "%8llu.%llu %s", (unsigned long long)tenths / 10,
			      (unsigned long long)tenths % 10, units[u]);
}

static void list_one(image_verb *v, const image *m)
{
	const sp_strs *names = m->tags.n > 0 ? &m->tags : &m->digests;
	for (size_t k = 0; k < names->n && (k == 0 || v->o.all || m->tags.n > 0); k++) {
		sp_buf_printf(&v->out, SP_FMT "  ", SP_ARG(sp_str_sub(m->id, 7, 7 + 12)));
		put_size(&v->out, m->size_bytes);
		sp_buf_printf(&v->out, "  " SP_FMT "%s\n", SP_ARG(names->items[k]),
			      m->pinned ? "  (pinned)" : "");
	}
	for (size_t k = 0; v->o.all && m->tags.n > 0 && k < m->digests.n; k++)
		sp_buf_printf(&v->out, "%28s" SP_FMT "\n", "", SP_ARG(m->digests.items[k]));
}

static void run_list(image_verb *v)
{
	size_t n;
	const image *const *images = image_list(v->store, &n);
	for (size_t i = 0; i < n; i++)
		list_one(v, images[i]);
	finish(v, SP_OK, NULL);
}

static void remove_next(image_verb *v);

static void on_removed(void *arg, sp_code code, const sp_err *err)
{
	image_verb *v = arg;
	v->i_arg++;
	if (code == SP_OK)
		remove_next(v);
	else
		finish(v, code, err);
}

static void remove_next(image_verb *v)
{
	sp_err err;
	if (v->i_arg == v->o.n_args) {
		finish(v, SP_OK, NULL);
		return;
	}
	sp_str name = v->o.args[v->i_arg];
	if (image_find(v->store, name) == NULL)
		finish(v, sp_fail(&err, SP_ENOTFOUND, "there is no image '" SP_FMT "'", SP_ARG(name)), &err);
	else
		image_remove(v->store, name, on_removed, v);
}

static void run_tag(image_verb *v)
{
	image_tag(v->store, v->o.args[0], v->o.args[1], on_done, v);
}

static void run_untag(image_verb *v)
{
	image_untag(v->store, v->o.args[0], on_done, v);
}

static void run_pin(image_verb *v)
{
	image_pin(v->store, v->o.args[0], true, on_done, v);
}

static void run_unpin(image_verb *v)
{
	image_pin(v->store, v->o.args[0], false, on_done, v);
}

static void on_pruned(void *arg, sp_code code, image_usage freed, const sp_err *err)
{
	image_verb *v = arg;
	if (code == SP_OK) {
		sp_buf_printf(&v->out, "freed");
		put_size(&v->out, freed.bytes);
		sp_buf_printf(&v->out, ", %llu files\n", (unsigned long long)freed.inodes);
	}
	finish(v, code, err);
}

static void run_prune(image_verb *v)
{
	if (v->o.all)
		image_prune(v->store, on_pruned, v);
	else
		image_collect(v->store, on_pruned, v);
}

/* ---- the table ---- */

const image_verb_info image_verbs[] = {
	{"export", "FILE REFERENCE …", "write images to a tar: OCI layout and docker archive at once", 2,
	 IMAGE_VERB_ARGUMENTS},
	{"import", "FILE …", "take images from OCI layouts (tar or directory) and docker archives", 1,
	 IMAGE_VERB_ARGUMENTS},
	{"list", "", "show the images", 0, 0},
	{"pin", "REFERENCE", "keep an image: neither prune nor the kubelet's collection removes it", 1, 1},
	{"prune", "", "remove what no image needs; with --all also images that no container uses", 0, 0},
	{"pull", "REFERENCE …", "get images from registries, and unpack them", 1, IMAGE_VERB_ARGUMENTS},
	{"remove", "REFERENCE …", "remove images with all their names", 1, IMAGE_VERB_ARGUMENTS},
	{"tag", "REFERENCE NAME", "give an image one more name", 2, 2},
	{"unpin", "REFERENCE", "take the pin out again", 1, 1},
	{"untag", "NAME", "take one name away; the image goes with its last", 1, 1},
};
const size_t image_verbs_n = SP_LEN(image_verbs);

/* In the order of image_verbs. */
static void (*const runs[])(image_verb *v) = {run_export, import_next, run_list, run_pin,   run_prune,
					      pull_next,  remove_next, run_tag,  run_unpin, run_untag};
_Static_assert(SP_LEN(runs) == SP_LEN(image_verbs), "a verb without its function");

const image_verb_info *image_verb_find(sp_str name)
{
	for (size_t i = 0; i < SP_LEN(image_verbs); i++) {
		if (sp_str_eq(sp_str_c(image_verbs[i].name), name))
			return &image_verbs[i];
	}
	return NULL;
}

/* "os/architecture[/variant]" */
static sp_code split_platform(image_verb *v, sp_err *err)
{
	sp_str rest = v->o.platform;
	if (rest.len == 0)
		return SP_OK;
	if (!sp_str_cut(&rest, '/', &v->os))
		return sp_fail(err, SP_EINVAL, "--platform is os/architecture or os/architecture/variant");
	if (sp_str_cut(&rest, '/', &v->architecture))
		v->variant = rest;
	else
		v->architecture = rest;
	return SP_OK;
}

void image_verb_start(image_store *s, image_registry *registry, const image_verb_opts *opts, image_verb **ret)
{
	sp_err err;
	image_verb *v = SP_NEW(image_verb);
	*v = (image_verb){.store = s, .registry = registry, .o = *opts};
	sp_buf_init(&v->out, OUT_BYTES);
	*ret = v;
	sp_code code = split_platform(v, &err);
	if (code == SP_OK && (opts->n_args < opts->verb->n_min || opts->n_args > opts->verb->n_max))
		code = sp_fail(&err, SP_EINVAL, "usage: sampan image %s %s", opts->verb->name,
			       opts->verb->usage);
	if (code == SP_OK)
		runs[opts->verb - image_verbs](v);
	else
		finish(v, code, &err);
}

void image_verb_cancel(image_verb *v)
{
	if (v->pull != NULL)
		image_pull_cancel(v->pull);
}
