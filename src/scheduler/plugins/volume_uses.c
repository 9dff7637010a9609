/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which claims are in use, and which volumes are attached to which node for it: kept up to date by every pod
 * that comes or goes and every claim, volume, class and VolumeAttachment that changes, so that a decision
 * only compares numbers. U: plugins/nodevolumelimits/csi.go, which finds it out for each pod and node.
 *
 *   claim_use ── node_use ──► held ◄── attachment_use      held: one volume of one driver on one node
 *       └── watch (the PersistentVolume that both depend on) ──┘
 */
#include "base/list.h"
#include "scheduler/counters_int.h"
#include "scheduler/plugins/in_tree.h"
#include "scheduler/plugins/volumes_int.h"

typedef struct driver_count {
	sp_str name;
	uint32_t n; /* volumes held */
} driver_count;

typedef struct held {
	sp_str volume;
	driver_count *driver;
	uint32_t pods, attachments;
} held;

struct sched_node_volumes {
	sp_str name;
	sp_map held, drivers;
	sp_map uses;            /* node_use by key of the claim */
	uint32_t n_attachments; /* attachment_uses that point here, whether or not they hold something */
};

typedef struct watch {
	sp_str name; /* of the PersistentVolume */
	sp_list claims, attachments;
} watch;

typedef struct claim_use {
	sp_str key;
	uint32_t n;
	sp_list nodes; /* node_use */
	watch *watch;
	sp_list of_watch;
} claim_use;

typedef struct node_use {
	sp_list of_claim;
	claim_use *claim;
	sched_node_volumes *node;
	held *held; /* NULL: no driver counts it */
	uint32_t n;
} node_use;

typedef struct attachment_use {
	sp_str key;
	watch *watch;
	sp_list of_watch;
	sched_node_volumes *node;
	held *held;
} attachment_use;

sp_str sched_claim_key(sp_arena *a, const sched_pod *pod, const sched_claim *claim)
{
	if (claim->ephemeral)
		return SP_CONCAT(a, pod->key, SP_STR("-"), claim->name);
	return SP_CONCAT(a, pod->ns, SP_STR("/"), claim->name);
}

/* An entry of a map whose struct begins with its key; the key's text stands behind it. NULL: no memory. */
static void *entry_new(sp_map *m, sp_str key, size_t size)
{
	sp_str *e = sp_try_alloc(size + key.len);
	if (e == NULL)
		return NULL;
	char *text = (char *)e + size;
	if (key.len > 0)
		memcpy(text, key.ptr, key.len);
	*e = (sp_str){text, key.len};
	if (sp_map_put(m, *e, e, NULL) == SP_OK)
		return e;
	sp_free(e);
	return NULL;
}

static void entry_drop(sp_map *m, void *entry)
{
	(void)sp_map_remove(m, *(const sp_str *)entry);
	sp_free(entry);
}

/* -- what is attached to a node ------------------------------------------------------------------------- */

static sched_node_volumes *node_of(struct sched_volumes *all, sp_str name)
{
	sched_node_volumes *n = sp_map_get(&all->nodes, name);
	if (n != NULL || (n = entry_new(&all->nodes, name, sizeof *n)) == NULL)
		return n;
	sp_map_init(&n->held);
	sp_map_init(&n->drivers);
	sp_map_init(&n->uses);
	return n;
}

static void node_tidy(struct sched_volumes *all, sched_node_volumes *n)
{
	if (sp_map_count(&n->held) > 0 || sp_map_count(&n->uses) > 0 || n->n_attachments > 0)
		return;
	sp_map_done(&n->held);
	sp_map_done(&n->drivers);
	sp_map_done(&n->uses);
	entry_drop(&all->nodes, n);
}

static void held_tidy(sched_node_volumes *n, held *h)
{
	if (h->pods > 0 || h->attachments > 0)
		return;
	if (--h->driver->n == 0)
		entry_drop(&n->drivers, h->driver);
	entry_drop(&n->held, h);
}

/* The entry of a volume; NULL: no memory. Whoever asked counts himself in it. */
static held *held_of(sched_node_volumes *n, const sched_attachable *x)
{
	held *h = sp_map_get(&n->held, x->volume);
	if (h != NULL)
		return h;
	driver_count *d = sp_map_get(&n->drivers, x->driver);
	if (d == NULL && (d = entry_new(&n->drivers, x->driver, sizeof *d)) == NULL)
		return NULL;
	h = entry_new(&n->held, x->volume, sizeof *h);
	if (h == NULL) {
		if (d->n == 0)
			entry_drop(&n->drivers, d);
		return NULL;
	}
	h->driver = d;
	d->n++;
	return h;
}

const sched_node_volumes *sched_find_node_volumes(const sched_state *st, sp_str node)
{
	return st->volumes == NULL ? NULL : sp_map_get(&st->volumes->nodes, node);
}

uint32_t sched_attached_count(const sched_node_volumes *n, sp_str driver)
{
	const driver_count *d = n == NULL ? NULL : sp_map_get(&n->drivers, driver);
	return d == NULL ? 0 : d->n;
}

uint32_t sched_attached_pods(const sched_node_volumes *n, sp_str volume, bool *ret_attached)
{
	const held *h = n == NULL ? NULL : sp_map_get(&n->held, volume);
	*ret_attached = h != NULL && h->attachments > 0;
	return h == NULL ? 0 : h->pods;
}

/* -- what a claim's volume is --------------------------------------------------------------------------- */

static sp_code attachable(sp_arena *a, sp_str driver, sp_str mark, sp_str handle, sched_attachable *ret)
{
	ret->driver = driver;
	ret->volume = SP_CONCAT(a, driver, SP_STR("/"), mark, handle);
	return ret->volume.ptr == NULL ? SP_ENOMEM : SP_OK;
}

/* Of a claim without a volume: the driver that will make one. It is told from volumes by its mark. */
static sp_code of_class(const sched_state *st, sp_arena *a, const sched_pvc *pvc, sched_attachable *ret)
{
	const sched_storage_class *k =
		pvc->class_name.len == 0 ? NULL : sched_find_class(st, pvc->class_name);
	const sched_in_tree *old = k == NULL ? NULL : sched_in_tree_by_plugin(k->provisioner);
	if (k == NULL || k->provisioner.len == 0 || (old != NULL && !old->moved))
		return SP_OK;
	return attachable(a, old != NULL ? old->driver : k->provisioner, SP_STR("\x1d"), pvc->key, ret);
}

sp_code sched_claim_attaches(const sched_state *st, sp_arena *a, sp_str claim, sched_attachable *ret)
{
	const sched_pvc *pvc = sched_find_pvc(st, claim);
	*ret = (sched_attachable){0};
	if (pvc == NULL)
		return SP_OK;
	const sched_pv *v = pvc->volume.len == 0 ? NULL : sched_find_pv(st, pvc->volume);
	if (v == NULL)
		return of_class(st, a, pvc, ret);
	if (v->driver.len == 0 || v->handle.len == 0)
		return SP_OK;
	return attachable(a, v->driver, SP_STR(""), v->handle, ret);
}

/* -- watches -------------------------------------------------------------------------------------------- */

static void watch_leave(struct sched_volumes *all, watch **w, sp_list *node)
{
	sp_list_remove(node);
	if (*w != NULL && sp_list_is_empty(&(*w)->claims) && sp_list_is_empty(&(*w)->attachments))
		entry_drop(&all->watches, *w);
	*w = NULL;
}

/* NULL: no memory. */
static watch *watch_of(struct sched_volumes *all, sp_str volume)
{
	watch *w = sp_map_get(&all->watches, volume);
	if (w != NULL || (w = entry_new(&all->watches, volume, sizeof *w)) == NULL)
		return w;
	sp_list_init(&w->claims);
	sp_list_init(&w->attachments);
	return w;
}

static sp_code watch_claim(sched_state *st, claim_use *u)
{
	const sched_pvc *pvc = sched_find_pvc(st, u->key);
	sp_str volume = pvc == NULL ? (sp_str){0} : pvc->volume;
	if (u->watch != NULL && sp_str_eq(u->watch->name, volume))
		return SP_OK;
	watch_leave(st->volumes, &u->watch, &u->of_watch);
	if (volume.len == 0)
		return SP_OK;
	u->watch = watch_of(st->volumes, volume);
	if (u->watch == NULL)
		return SP_ENOMEM;
	sp_list_push_back(&u->watch->claims, &u->of_watch);
	return SP_OK;
}

/* -- claims in use -------------------------------------------------------------------------------------- */

static void let_go(node_use *u)
{
	if (u->held == NULL)
		return;
	u->held->pods -= u->n;
	held_tidy(u->node, u->held);
	u->held = NULL;
}

static sp_code take(node_use *u, const sched_attachable *x)
{
	if (u->held != NULL && sp_str_eq(u->held->volume, x->volume))
		return SP_OK;
	let_go(u);
	if (x->volume.len == 0)
		return SP_OK;
	u->held = held_of(u->node, x);
	if (u->held == NULL)
		return SP_ENOMEM;
	u->held->pods += u->n;
	return SP_OK;
}

/* As the claim and its volume say now, for one node or (NULL) for all that use it. */
static sp_code claim_again(sched_state *st, claim_use *u, node_use *only)
{
	sched_attachable x;
	sp_arena a;
	sp_arena_init(&a, (size_t)1 << 20);
	sp_code code = watch_claim(st, u);
	if (code == SP_OK)
		code = sched_claim_attaches(st, &a, u->key, &x);
	if (code == SP_OK && only != NULL)
		code = take(only, &x);
	SP_LIST_FOREACH (node, &u->nodes) {
		if (code == SP_OK && only == NULL)
			code = take(SP_CONTAINER_OF(node, node_use, of_claim), &x);
	}
	sp_arena_done(&a);
	return code;
}

static claim_use *claim_of(struct sched_volumes *all, sp_str key)
{
	claim_use *u = sp_map_get(&all->uses, key);
	if (u != NULL || (u = entry_new(&all->uses, key, sizeof *u)) == NULL)
		return u;
	sp_list_init(&u->nodes);
	sp_list_init(&u->of_watch);
	return u;
}

static void claim_tidy(struct sched_volumes *all, claim_use *u)
{
	if (u->n > 0)
		return;
	watch_leave(all, &u->watch, &u->of_watch);
	entry_drop(&all->uses, u);
}

static node_use *use_new(sched_node_volumes *n, claim_use *claim)
{
	node_use *u = sp_try_alloc(sizeof *u);
	if (u == NULL || sp_map_put(&n->uses, claim->key, u, NULL) != SP_OK) {
		sp_free(u);
		return NULL;
	}
	u->claim = claim;
	u->node = n;
	sp_list_push_back(&claim->nodes, &u->of_claim);
	return u;
}

static sp_code use_begin(sched_state *st, sched_node_volumes *n, sp_str key)
{
	claim_use *claim = claim_of(st->volumes, key);
	if (claim == NULL)
		return SP_ENOMEM;
	claim->n++;
	node_use *u = sp_map_get(&n->uses, key);
	if (u != NULL) {
		u->n++;
		if (u->held != NULL)
			u->held->pods++;
		return SP_OK;
	}
	u = use_new(n, claim);
	if (u == NULL) {
		claim->n--;
		claim_tidy(st->volumes, claim);
		return SP_ENOMEM;
	}
	u->n = 1;
	return claim_again(st, claim, u);
}

static void use_end(sched_state *st, sched_node_volumes *n, sp_str key)
{
	node_use *u = sp_map_get(&n->uses, key);
	if (u == NULL) /* there was no memory for it */
		return;
	claim_use *claim = u->claim;
	if (u->held != NULL)
		u->held->pods--;
	if (--u->n == 0) {
		if (u->held != NULL)
			held_tidy(n, u->held);
		sp_list_remove(&u->of_claim);
		(void)sp_map_remove(&n->uses, key);
		sp_free(u);
	}
	claim->n--;
	claim_tidy(st->volumes, claim);
}

uint32_t sched_claim_uses(const sched_state *st, sp_str key)
{
	const claim_use *u = st->volumes == NULL ? NULL : sp_map_get(&st->volumes->uses, key);
	return u == NULL ? 0 : u->n;
}

/* -- pods ----------------------------------------------------------------------------------------------- */

static sp_code count_inlined(sched_node_volumes *n, const sched_attachable *x, int sign)
{
	held *h = sign > 0 ? held_of(n, x) : sp_map_get(&n->held, x->volume);
	if (h == NULL)
		return sign > 0 ? SP_ENOMEM : SP_OK;
	h->pods += (uint32_t)sign;
	held_tidy(n, h);
	return SP_OK;
}

static sp_code count(sched_state *st, const sched_pod *pod, sched_node_volumes *n, int sign)
{
	const sched_spec *s = pod->spec;
	sp_code code = SP_OK;
	sp_arena a;
	sp_arena_init(&a, (size_t)1 << 20);
	for (size_t i = 0; i < s->n_claims && code == SP_OK; i++) {
		sp_str key = sched_claim_key(&a, pod, &s->claims[i]);
		if (key.ptr == NULL)
			code = SP_ENOMEM;
		else if (sign > 0)
			code = use_begin(st, n, key);
		else
			use_end(st, n, key);
	}
	for (size_t i = 0; i < s->n_inlined && code == SP_OK; i++)
		code = count_inlined(n, &s->inlined[i], sign);
	sp_arena_done(&a);
	return code;
}

void sched_volumes_count(sched_state *st, const sched_pod *pod, const sched_node *node, int sign)
{
	if (pod->spec->n_claims == 0 && pod->spec->n_inlined == 0)
		return;
	struct sched_volumes *all = sched_volumes_of(st);
	sched_node_volumes *n = all == NULL ? NULL : node_of(all, node->name);
	if (n == NULL || count(st, pod, n, sign) != SP_OK)
		st->broken = true;
	if (n != NULL)
		node_tidy(all, n);
}

/* -- VolumeAttachments ---------------------------------------------------------------------------------- */

static void detach(attachment_use *u)
{
	if (u->held == NULL)
		return;
	u->held->attachments--;
	held_tidy(u->node, u->held);
	u->held = NULL;
}

/* As the attachment and its volume say now. Only CSI volumes that are written as such count. */
static sp_code attach(sched_state *st, attachment_use *u, const sched_attachment *x)
{
	const sched_pv *v = sched_find_pv(st, x->volume);
	sched_attachable what;
	sp_arena a;
	detach(u);
	if (v == NULL || !v->is_csi || x->driver.len == 0)
		return SP_OK;
	sp_arena_init(&a, (size_t)1 << 20);
	sp_code code = attachable(&a, x->driver, SP_STR(""), v->handle, &what);
	if (code == SP_OK && (u->held = held_of(u->node, &what)) == NULL)
		code = SP_ENOMEM;
	if (code == SP_OK)
		u->held->attachments++;
	sp_arena_done(&a);
	return code;
}

static void attachment_end(struct sched_volumes *all, sp_str key)
{
	attachment_use *u = sp_map_get(&all->attachments, key);
	if (u == NULL)
		return;
	detach(u);
	watch_leave(all, &u->watch, &u->of_watch);
	u->node->n_attachments--;
	node_tidy(all, u->node);
	entry_drop(&all->attachments, u);
}

static sp_code attachment_begin(sched_state *st, const sched_attachment *x)
{
	struct sched_volumes *all = st->volumes;
	sched_node_volumes *n = node_of(all, x->node);
	attachment_use *u = n == NULL ? NULL : entry_new(&all->attachments, x->name, sizeof *u);
	if (u == NULL) {
		if (n != NULL)
			node_tidy(all, n);
		return SP_ENOMEM;
	}
	u->node = n;
	n->n_attachments++;
	sp_list_init(&u->of_watch);
	u->watch = watch_of(all, x->volume);
	if (u->watch == NULL)
		return SP_ENOMEM;
	sp_list_push_back(&u->watch->attachments, &u->of_watch);
	return attach(st, u, x);
}

/* -- objects -------------------------------------------------------------------------------------------- */

static sp_code follow_volume(sched_state *st, sp_str name)
{
	watch *w = sp_map_get(&st->volumes->watches, name);
	if (w == NULL)
		return SP_OK;
	SP_LIST_FOREACH (node, &w->claims)
		SP_TRY(claim_again(st, SP_CONTAINER_OF(node, claim_use, of_watch), NULL));
	SP_LIST_FOREACH (node, &w->attachments) {
		attachment_use *u = SP_CONTAINER_OF(node, attachment_use, of_watch);
		SP_TRY(attach(st, u, sp_map_get(&st->volumes->objects[SCHED_ATTACHMENT], u->key)));
	}
	return SP_OK;
}

static sp_code follow_classes(sched_state *st)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&st->volumes->uses, &i)) != NULL;)
		SP_TRY(claim_again(st, e->value, NULL));
	return SP_OK;
}

static sp_code follow_attachment(sched_state *st, sp_str key)
{
	const sched_attachment *x = sp_map_get(&st->volumes->objects[SCHED_ATTACHMENT], key);
	attachment_end(st->volumes, key);
	return x == NULL ? SP_OK : attachment_begin(st, x);
}

sp_code sched_uses_follow(sched_state *st, sched_volume_kind kind, sp_str key)
{
	claim_use *u;
	switch (kind) {
	case SCHED_PVC:
		u = sp_map_get(&st->volumes->uses, key);
		return u == NULL ? SP_OK : claim_again(st, u, NULL);
	case SCHED_PV:
		return follow_volume(st, key);
	case SCHED_STORAGE_CLASS:
		return follow_classes(st);
	case SCHED_ATTACHMENT:
		return follow_attachment(st, key);
	case SCHED_CSI_DRIVER:
	case SCHED_CAPACITY:
	case SCHED_CSI_NODE:
	case SCHED_VOLUME_KINDS_:
		break;
	}
	return SP_OK;
}

void sched_uses_done(struct sched_volumes *all)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&all->nodes, &i)) != NULL;) {
		sched_node_volumes *n = e->value;
		sp_map_done_values(&n->held);
		sp_map_done_values(&n->drivers);
		sp_map_done_values(&n->uses);
	}
	sp_map *const maps[] = {&all->nodes, &all->uses, &all->watches, &all->attachments};
	for (size_t i = 0; i < SP_LEN(maps); i++)
		sp_map_done_values(maps[i]);
}
