/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/hash.h"
#include "base/num.h"
#include "controllers/deployment_int.h"

#define BODY_BYTES_MAX ((size_t)4 << 20)
#define HISTORY_BYTES_MAX 2000u /* maxRevHistoryLengthInChars */

SP_VIEW(set_view_desc, dep_set, "apps/v1/ReplicaSet", SP_V(dep_set, created, "metadata.creationTimestamp"),
	SP_V(dep_set, deleted, "metadata.deletionTimestamp"),
	SP_V(dep_set, annotations, "metadata.annotations"), SP_V(dep_set, generation, "metadata.generation"),
	SP_VH(dep_set, replicas, "spec.replicas"), SP_V(dep_set, min_ready_s, "spec.minReadySeconds"),
	SP_V(dep_set, template_, "spec.template"), SP_V(dep_set, n, "status.replicas"),
	SP_V(dep_set, n_ready, "status.readyReplicas"),
	SP_V(dep_set, n_available, "status.availableReplicas"),
	SP_VH(dep_set, n_terminating, "status.terminatingReplicas"),
	SP_V(dep_set, observed, "status.observedGeneration"), SP_V(dep_set, conditions, "status.conditions"));

const sp_view_desc *const dep_set_view = &set_view_desc;

sp_str dep_annotation(sp_vmap annotations, const char *key)
{
	return sp_vmap_str(annotations, sp_str_c(key));
}

/* ---- templates ---- */

/* Canonical text without the label of the hash: equal templates have equal texts. */
static sp_code template_text(sp_buf *out, yyjson_val *template_)
{
	sp_jout j = sp_jout_to(out);
	yyjson_val *meta = sp_json_last(template_, SP_STR("metadata")), *key;
	yyjson_val *labels = sp_json_last(meta, SP_STR("labels"));
	sp_jout_open(&j, '[');
	sp_jout_open(&j, '{');
	yyjson_obj_iter it = yyjson_obj_iter_with(labels);
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		if (!sp_str_eq(sp_json_str(key), SP_STR(DEP_HASH)))
			sp_jout_member_str(&j, sp_json_str(key), sp_json_str(yyjson_obj_iter_get_val(key)));
	}
	sp_jout_close(&j, '}');
	const char *const rest[] = {"annotations", "finalizers"};
	for (size_t i = 0; i < SP_LEN(rest); i++) {
		yyjson_val *v = sp_json_last(meta, sp_str_c(rest[i]));
		(void)sp_buf_char(out, ',');
		(void)(v == NULL ? sp_buf_str(out, SP_STR("null")) : sp_json_write(out, v));
	}
	(void)sp_buf_char(out, ',');
	yyjson_val *spec = sp_json_last(template_, SP_STR("spec"));
	return spec == NULL ? sp_buf_char(out, '0') : sp_json_write(out, spec);
}

bool dep_is_same_template(dep_run *x, yyjson_val *template_)
{
	SP_AUTO_BUF ours, theirs;
	sp_buf_init(&ours, BODY_BYTES_MAX);
	sp_buf_init(&theirs, BODY_BYTES_MAX);
	return template_text(&ours, x->view.template_) == SP_OK &&
	       template_text(&theirs, template_) == SP_OK &&
	       sp_str_eq(sp_buf_view(&ours), sp_buf_view(&theirs));
}

static size_t template_hash(const dep_run *x, char out[CTL_HASH_BYTES])
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, BODY_BYTES_MAX);
	(void)template_text(&text, x->view.template_);
	if (x->collisions > 0)
		(void)sp_buf_i64(&text, x->collisions);
	uint64_t h = sp_fnv1a64(sp_buf_view(&text));
	return ctl_hash_text(out, (uint32_t)(h ^ (h >> 32)));
}

/* ---- reading ---- */

static int by_age(const void *a, const void *b)
{
	const dep_set *p = a, *q = b;
	int d = sp_str_cmp(p->created, q->created);
	return d != 0 ? d : sp_str_cmp(p->object->name, q->object->name);
}

sp_code dep_read_sets(dep_run *x, sp_err *err)
{
	const claim *k = &x->claim;
	x->sets = sp_try_new(x->job->arena, dep_set, k->n_owned + 1);
	x->old = sp_try_new(x->job->arena, dep_set *, k->n_owned + 1);
	if (x->sets == NULL || x->old == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu sets", k->n_owned);
	for (size_t i = 0; i < k->n_owned; i++) {
		dep_set *s = &x->sets[i];
		SP_TRY(sp_view(x->job->arena, k->owned[i]->json, &set_view_desc, s, err));
		s->object = k->owned[i];
		s->replicas = s->has_replicas ? s->replicas : 1;
		s->want = s->replicas;
		if (sp_parse_i64(dep_annotation(s->annotations, DEP_REVISION), 0, INT64_MAX, &s->revision,
				 NULL) != SP_OK)
			s->revision = 0;
	}
	x->n_sets = k->n_owned;
	qsort(x->sets, x->n_sets, sizeof *x->sets, by_age);
	for (size_t i = 0; i < x->n_sets; i++) {
		if (x->newest == NULL && dep_is_same_template(x, x->sets[i].template_))
			x->newest = &x->sets[i];
		else
			x->old[x->n_old++] = &x->sets[i];
	}
	return SP_OK;
}

/* ---- revisions ---- */

static bool is_copied(sp_str key)
{
	static const char *const ours[] = {"kubectl.kubernetes.io/last-applied-configuration",
					   DEP_REVISION,
					   DEP_HISTORY,
					   DEP_DESIRED,
					   DEP_MAX,
					   "deprecated.deployment.rollback.to"};
	for (size_t i = 0; i < SP_LEN(ours); i++) {
		if (sp_str_eq(key, sp_str_c(ours[i])))
			return false;
	}
	return true;
}

static void member_i64_text(sp_jout *j, const char *key, int64_t v)
{
	char text[SP_NUM_TEXT_BYTES];
	sp_jout_member_str(j, sp_str_c(key), (sp_str){text, sp_print_i64(text, v)});
}

/* The deployment's annotations that the set has not. True: there were some. */
static bool copy_annotations(const dep_run *x, sp_jout *j, sp_vmap have)
{
	bool any = false;
	yyjson_obj_iter it = yyjson_obj_iter_with(x->view.annotations.object);
	yyjson_val *key;
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		sp_str name = sp_json_str(key), value = sp_json_str(yyjson_obj_iter_get_val(key));
		sp_str old = sp_vmap_str(have, name);
		if (!is_copied(name) || (old.ptr != NULL && sp_str_eq(old, value)))
			continue;
		sp_jout_member_str(j, name, value);
		any = true;
	}
	return any;
}

static void write_history(const dep_run *x, sp_jout *j, const dep_set *s)
{
	sp_str was = dep_annotation(s->annotations, DEP_HISTORY);
	sp_str old = dep_annotation(s->annotations, DEP_REVISION);
	sp_str all = was.len == 0 ? old : SP_CONCAT(x->job->arena, was, SP_STR(","), old);
	while (all.len > HISTORY_BYTES_MAX) { /* the oldest go */
		sp_str head;
		if (!sp_str_cut(&all, ',', &head))
			break;
	}
	if (all.len > 0)
		sp_jout_member_str(j, SP_STR(DEP_HISTORY), all);
}

static sp_code mark_newest(dep_run *x, sp_err *err)
{
	dep_set *s = x->newest;
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&out);
	bool any = copy_annotations(x, &j, s->annotations);
	if (s->revision < x->revision) {
		if (s->revision > 0)
			write_history(x, &j, s);
		member_i64_text(&j, DEP_REVISION, x->revision);
		any = true;
	} else {
		x->revision = s->revision;
	}
	s->patch_min_ready = s->min_ready_s != x->view.min_ready_s;
	if (any)
		s->patch = sp_arena_try_dup(x->job->arena, sp_buf_view(&out));
	if (sp_buf_code(&out) != SP_OK || (any && s->patch.ptr == NULL))
		return sp_fail(err, SP_ETOOLARGE, "no room for annotations");
	if (x->view.has_deadline_s && ctl_condition_find(&x->conditions, "Progressing") == NULL)
		dep_progress(x, "True", "FoundNewReplicaSet",
			     sp_arena_printf(x->job->arena, "Found new replica set \"" SP_FMT "\"",
					     SP_ARG(s->object->name)));
	return SP_OK;
}

static void write_selector(const dep_run *x, sp_jout *j, sp_str hash)
{
	yyjson_val *labels = sp_json_last(x->view.selector, SP_STR("matchLabels")), *key;
	yyjson_val *expressions = sp_json_last(x->view.selector, SP_STR("matchExpressions"));
	sp_jout_member_open(j, SP_STR("selector"), '{');
	sp_jout_member_open(j, SP_STR("matchLabels"), '{');
	yyjson_obj_iter it = yyjson_obj_iter_with(labels);
	while ((key = yyjson_obj_iter_next(&it)) != NULL)
		sp_jout_member_str(j, sp_json_str(key), sp_json_str(yyjson_obj_iter_get_val(key)));
	sp_jout_member_str(j, SP_STR(DEP_HASH), hash);
	sp_jout_close(j, '}');
	if (expressions != NULL) {
		sp_jout_key(j, SP_STR("matchExpressions"));
		(void)sp_json_write(j->out, expressions);
		j->comma = true;
	}
	sp_jout_close(j, '}');
}

static void write_labels(sp_jout *j, yyjson_val *labels, sp_str hash)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(labels);
	yyjson_val *key;
	sp_jout_member_open(j, SP_STR("labels"), '{');
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		if (!sp_str_eq(sp_json_str(key), SP_STR(DEP_HASH)))
			sp_jout_member_str(j, sp_json_str(key), sp_json_str(yyjson_obj_iter_get_val(key)));
	}
	sp_jout_member_str(j, SP_STR(DEP_HASH), hash);
	sp_jout_close(j, '}');
}

static void write_template(const dep_run *x, sp_jout *j, sp_str hash)
{
	yyjson_val *meta = sp_json_last(x->view.template_, SP_STR("metadata"));
	const char *const rest[] = {"annotations", "finalizers"};
	sp_jout_member_open(j, SP_STR("template"), '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	write_labels(j, sp_json_last(meta, SP_STR("labels")), hash);
	for (size_t i = 0; i < SP_LEN(rest); i++) {
		yyjson_val *v = sp_json_last(meta, sp_str_c(rest[i]));
		if (v == NULL)
			continue;
		sp_jout_key(j, sp_str_c(rest[i]));
		(void)sp_json_write(j->out, v);
		j->comma = true;
	}
	sp_jout_close(j, '}');
	sp_jout_key(j, SP_STR("spec"));
	(void)sp_json_write(j->out, sp_json_last(x->view.template_, SP_STR("spec")));
	j->comma = true;
	sp_jout_close(j, '}');
}

static sp_code make_new(dep_run *x, sp_err *err)
{
	char text[CTL_HASH_BYTES];
	sp_str hash = {text, template_hash(x, text)};
	yyjson_val *labels =
		sp_json_last(sp_json_last(x->view.template_, SP_STR("metadata")), SP_STR("labels"));
	SP_AUTO_BUF out, owner;
	sp_buf_init(&out, BODY_BYTES_MAX);
	sp_buf_init(&owner, 4096);
	x->create = true;
	x->create_name = SP_CONCAT(x->job->arena, x->object->name, SP_STR("-"), hash);
	x->create_replicas = dep_new_replicas(x, 0);
	(void)sp_patch_owner(&owner, &(sp_owner){SP_STR("apps/v1"), SP_STR("Deployment"), x->object->name,
						 x->object->uid});
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("name"), x->create_name);
	write_labels(&j, labels, hash);
	sp_jout_member_open(&j, SP_STR("annotations"), '{');
	(void)copy_annotations(x, &j, (sp_vmap){NULL});
	member_i64_text(&j, DEP_REVISION, x->revision);
	member_i64_text(&j, DEP_DESIRED, x->replicas);
	member_i64_text(&j, DEP_MAX, dep_max_replicas(x));
	sp_jout_close(&j, '}');
	sp_jout_member_open(&j, SP_STR("ownerReferences"), '[');
	sp_jout_raw(&j, sp_buf_view(&owner));
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	sp_jout_member_open(&j, SP_STR("spec"), '{');
	sp_jout_member_i64(&j, SP_STR("replicas"), x->create_replicas);
	sp_jout_member_i64(&j, SP_STR("minReadySeconds"), x->view.min_ready_s);
	write_selector(x, &j, hash);
	write_template(x, &j, hash);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	x->create_body = sp_arena_try_dup(x->job->arena, sp_buf_view(&out));
	if (sp_buf_code(&out) != SP_OK || x->create_body.ptr == NULL || x->create_name.ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a replica set");
	return SP_OK;
}

sp_code dep_sync_revision(dep_run *x, bool create, sp_err *err)
{
	int64_t most = 0;
	for (size_t i = 0; i < x->n_old; i++)
		most = SP_MAX(most, x->old[i]->revision);
	x->revision = most + 1;
	if (x->newest != NULL)
		return mark_newest(x, err);
	return create ? make_new(x, err) : SP_OK;
}
