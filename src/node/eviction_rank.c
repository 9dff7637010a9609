/* SPDX-License-Identifier: Apache-2.0 */
/* Which pod goes first, and what is said about it. */
#include "base/num.h"
#include "node/eviction.h"

#include "base/json_out.h"

#define BLAMED_BYTES_MAX ((size_t)256 << 10)

/* ---- amounts ---- */

/* Text of an amount, as Go prints it, into the buffer. */
static void put_amount(sp_buf *out, int64_t n, sp_qty_format format)
{
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, 4096);
	sp_str text = sp_qty_print(&a, (sp_qty){.nanos = (__int128)n * 1000000000, .format = format});
	(void)sp_buf_str(out, text);
}

static void add(int64_t *to, int64_t n)
{
	if (!sp_add(*to, n, to))
		*to = INT64_MAX;
}

/* What of a pod's disk counts. */
typedef struct parts {
	bool rootfs, logs, volumes;
} parts;

static node_amount_of disk_of(const node_pod_use *u, parts of)
{
	node_amount_of sum = {.is_known = u->is_known};
	for (size_t i = 0; i < u->n_containers; i++) {
		const node_container_use *c = &u->containers[i];
		if (of.rootfs) {
			add(&sum.bytes, c->rootfs.bytes);
			add(&sum.inodes, c->rootfs.inodes);
		}
		if (of.logs) {
			add(&sum.bytes, c->logs.bytes);
			add(&sum.inodes, c->logs.inodes);
		}
	}
	for (size_t i = 0; of.volumes && i < u->n_volumes; i++) {
		add(&sum.bytes, u->volumes[i].use.bytes);
		add(&sum.inodes, u->volumes[i].use.inodes);
	}
	return sum;
}

static int64_t memory_of(const node_pod_use *u)
{
	int64_t sum = 0;
	if (u->memory >= 0)
		return u->memory;
	for (size_t i = 0; i < u->n_containers; i++)
		add(&sum, SP_MAX(u->containers[i].memory, 0));
	return sum;
}

/* ---- ranking ---- */

static int64_t priority_of(const node_pod *p)
{
	yyjson_val *v = sp_view_at(p->tree, "spec.priority");
	return yyjson_is_int(v) ? yyjson_get_sint(v) : 0;
}

static node_weight weigh(const node_pod_use *u, node_signal s, bool dedicated)
{
	static const parts all = {true, true, true}, of_nodefs = {.logs = true, .volumes = true},
			   of_images = {.rootfs = true};
	node_weight w = {.exceeds = 1, .priority = priority_of(u->pod), .over = INT64_MAX};
	bool is_images = s == NODE_SIGNAL_IMAGEFS || s == NODE_SIGNAL_IMAGEFS_INODES;
	if (s == NODE_SIGNAL_PIDS)
		w.exceeds = 0;
	if (!u->is_known) /* nobody knows what it uses: it goes first */
		return w;
	if (s == NODE_SIGNAL_PIDS) {
		w.over = u->processes;
		return w;
	}
	if (s == NODE_SIGNAL_MEMORY) {
		w.over = memory_of(u) - node_pod_request(u->pod, SP_STR("memory"));
		w.exceeds = w.over > 0;
		return w;
	}
	bool by_inodes = s == NODE_SIGNAL_NODEFS_INODES || s == NODE_SIGNAL_IMAGEFS_INODES;
	node_amount_of disk = disk_of(u, !dedicated ? all : is_images ? of_images : of_nodefs);
	int64_t used = by_inodes ? disk.inodes : disk.bytes;
	/* U: disk() takes the request of bytes off inodes, too. */
	w.over = used - node_pod_request(u->pod, SP_STR("ephemeral-storage"));
	w.exceeds = by_inodes ? used > 0 : w.over > 0;
	return w;
}

static int compare(const node_weight *x, const node_weight *y)
{
	if (x->exceeds != y->exceeds)
		return x->exceeds > y->exceeds ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return x->over == y->over ? 0 : x->over > y->over ? -1 : 1;
}

void node_rank(node_pod_use *at, size_t n, node_signal s, bool dedicated_imagefs)
{
	/* Once each: requests are read out of texts. */
	for (size_t i = 0; i < n; i++)
		at[i].weight = weigh(&at[i], s, dedicated_imagefs);
	/* Few, and stable: insertion. */
	for (size_t i = 1; i < n; i++) {
		node_pod_use u = at[i];
		size_t k = i;
		for (; k > 0 && compare(&u.weight, &at[k - 1].weight) < 0; k--)
			at[k] = at[k - 1];
		at[k] = u;
	}
}

/* ---- local storage ---- */

static const sp_str storage = SP_STR_INIT("ephemeral-storage");

/* A disk emptyDir's limit; false: none, or none that counts. */
static bool empty_dir_limit(yyjson_val *volume, sp_qty *ret)
{
	yyjson_val *dir = sp_view_at(volume, "emptyDir");
	sp_str text = sp_view_str_at(dir, "sizeLimit");
	return dir != NULL && sp_view_str_at(dir, "medium").len == 0 && text.len != 0 &&
	       sp_qty_parse(text, ret, NULL) == SP_OK && ret->nanos > 0;
}

bool node_pod_limits_storage(const node_pod *p)
{
	sp_qty q;
	SP_VLIST_FOREACH(item, p->v.volumes)
	{
		if (empty_dir_limit(item, &q))
			return true;
	}
	for (size_t i = 0; i < p->n_init + p->n_regular; i++) {
		if (sp_vmap_str(p->containers[i].v.limits, storage).len != 0)
			return true;
	}
	return false;
}

static const node_volume_use *volume_use(const node_pod_use *u, sp_str name)
{
	for (size_t i = 0; i < u->n_volumes; i++) {
		if (sp_str_eq(u->volumes[i].name, name))
			return &u->volumes[i];
	}
	return NULL;
}

static void put_quantity(sp_buf *out, sp_qty q)
{
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, 4096);
	(void)sp_buf_str(out, sp_qty_print(&a, q));
}

static bool any_empty_dir_over(const node_pod_use *u, sp_buf *message)
{
	SP_VLIST_FOREACH(item, u->pod->v.volumes)
	{
		sp_qty limit;
		sp_str name = sp_view_str_at(item, "name");
		const node_volume_use *use = volume_use(u, name);
		if (use == NULL || !use->use.is_known || !empty_dir_limit(item, &limit) ||
		    use->use.bytes <= sp_qty_value(&limit))
			continue;
		(void)sp_buf_printf(message, "Usage of EmptyDir volume \"" SP_FMT "\" exceeds the limit \"",
				    SP_ARG(name));
		put_quantity(message, limit);
		(void)sp_buf_printf(message, "\". ");
		return true;
	}
	return false;
}

static bool is_pod_over(const node_pod_use *u, sp_buf *message)
{
	static const parts all = {true, true, true};
	const node_pod *p = u->pod;
	sp_qty first = {0};
	bool any = false;
	for (size_t i = 0; i < p->n_init + p->n_regular; i++) {
		sp_str text = sp_vmap_str(p->containers[i].v.limits, storage);
		any = any || (text.len != 0 && sp_qty_parse(text, &first, NULL) == SP_OK);
	}
	int64_t limit = node_pod_limit(p, storage), used = disk_of(u, all).bytes;
	if (!any || used <= limit)
		return false;
	(void)sp_buf_printf(message,
			    "Pod ephemeral local storage usage exceeds the total limit of containers ");
	put_amount(message, limit, first.format);
	(void)sp_buf_printf(message, ". ");
	return true;
}

static bool is_container_over(const node_pod_use *u, bool dedicated, sp_buf *message)
{
	for (size_t i = 0; i < u->n_containers; i++) {
		const node_container_use *c = &u->containers[i];
		const node_container *of = node_pod_container(u->pod, c->name);
		sp_qty limit;
		int64_t used = c->logs.bytes;
		if (of == NULL || of->role != NODE_REGULAR ||
		    sp_qty_parse(sp_vmap_str(of->v.limits, storage), &limit, NULL) != SP_OK ||
		    limit.nanos == 0)
			continue;
		if (!dedicated)
			add(&used, c->rootfs.bytes);
		if (used <= sp_qty_value(&limit))
			continue;
		(void)sp_buf_printf(message,
				    "Container " SP_FMT " exceeded its local ephemeral storage limit \"",
				    SP_ARG(c->name));
		put_quantity(message, limit);
		(void)sp_buf_printf(message, "\". ");
		return true;
	}
	return false;
}

sp_str node_storage_over(const node_pod_use *u, bool dedicated_imagefs, sp_buf *message)
{
	if (any_empty_dir_over(u, message))
		return SP_STR("emptydirfs.limit");
	if (!u->is_known)
		return (sp_str){NULL, 0};
	if (is_pod_over(u, message))
		return SP_STR("ephemeralpodfs.limit");
	if (is_container_over(u, dedicated_imagefs, message))
		return SP_STR("ephemeralcontainerfs.limit");
	return (sp_str){NULL, 0};
}

/* ---- the message ---- */

/* The level and what is left, of the first threshold of that resource that is met. */
static void put_threshold(const node_eviction *e, const node_pressures *p, const node_observations *o,
			  node_signal s, sp_buf *out)
{
	for (size_t i = 0; i < e->n; i++) {
		const node_threshold *t = &e->at[i];
		const node_observation *at = &o->of[t->signal];
		if (!p->met[i] || !at->is_known ||
		    !sp_str_eq(node_signal_resource(t->signal), node_signal_resource(s)))
			continue;
		bool bytes = t->signal == NODE_SIGNAL_MEMORY || t->signal == NODE_SIGNAL_NODEFS ||
			     t->signal == NODE_SIGNAL_IMAGEFS;
		(void)sp_buf_printf(out, "Threshold quantity: ");
		if (t->value.is_part)
			put_amount(out, node_level_value(&t->value, at->capacity), SP_QTY_BINARY_SI);
		else
			put_quantity(out, t->value.quantity);
		(void)sp_buf_printf(out, ", available: ");
		put_amount(out, at->available, bytes ? SP_QTY_BINARY_SI : SP_QTY_DECIMAL_SI);
		(void)sp_buf_printf(out, ". ");
		return;
	}
}

/* Of the message, for the annotations of its event: names with commas between them, and what they used. */
typedef struct blamed {
	sp_buf containers, uses, pod_use;
} blamed;

/* The pod's own request, where it has one. */
static void put_pod_use(const node_pod_use *u, node_signal s, sp_buf *out, blamed *b)
{
	sp_str request = sp_view_str_at(u->pod->v.resources, "requests.memory");
	sp_qty q;
	if (s != NODE_SIGNAL_MEMORY || u->memory < 0 || request.len == 0 ||
	    sp_qty_parse(request, &q, NULL) != SP_OK)
		return;
	put_amount(&b->pod_use, u->memory, SP_QTY_BINARY_SI);
	(void)sp_buf_printf(out, "Pod " SP_FMT " was using " SP_FMT ", request is ", SP_ARG(u->pod->v.name),
			    SP_ARG(sp_buf_view(&b->pod_use)));
	put_quantity(out, q);
	(void)sp_buf_printf(out, ", has larger consumption of memory. ");
}

static int64_t use_of(const node_container_use *c, node_signal s)
{
	if (s == NODE_SIGNAL_MEMORY)
		return c->memory;
	if (!sp_str_eq(node_signal_resource(s), storage) || !c->rootfs.is_known || !c->logs.is_known)
		return -1;
	int64_t sum = c->rootfs.bytes;
	add(&sum, c->logs.bytes);
	return sum;
}

static void put_container_use(const node_container_use *c, int64_t used, sp_qty request, sp_str resource,
			      sp_buf *out, blamed *b)
{
	(void)sp_buf_printf(out, "Container " SP_FMT " was using ", SP_ARG(c->name));
	put_amount(out, used, SP_QTY_BINARY_SI);
	(void)sp_buf_printf(out, ", request is ");
	put_quantity(out, request);
	(void)sp_buf_printf(out, ", has larger consumption of " SP_FMT ". ", SP_ARG(resource));
	(void)sp_buf_printf(&b->containers, "%s" SP_FMT, b->containers.len == 0 ? "" : ",", SP_ARG(c->name));
	(void)sp_buf_printf(&b->uses, "%s", b->uses.len == 0 ? "" : ",");
	put_amount(&b->uses, used, SP_QTY_BINARY_SI);
}

static void put_annotations(const node_pod_use *u, sp_str resource, const blamed *b, sp_buf *out)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("offending_containers"), sp_buf_view(&b->containers));
	sp_jout_member_str(&j, SP_STR("offending_containers_usage"), sp_buf_view(&b->uses));
	if (b->pod_use.len > 0) {
		sp_jout_member_str(&j, SP_STR("offending_pod"), u->pod->v.name);
		sp_jout_member_str(&j, SP_STR("offending_pod_usage"), sp_buf_view(&b->pod_use));
	}
	sp_jout_member_str(&j, SP_STR("starved_resource"), resource);
	sp_jout_close(&j, '}');
}

static void put_uses(const node_pod_use *u, node_signal s, sp_buf *out, blamed *b)
{
	sp_str resource = node_signal_resource(s);
	put_pod_use(u, s, out, b);
	for (size_t i = 0; i < u->n_containers; i++) {
		const node_container_use *c = &u->containers[i];
		const node_container *of = node_pod_container(u->pod, c->name);
		sp_qty request = {0};
		int64_t used = use_of(c, s);
		if (of == NULL || of->role == NODE_EPHEMERAL)
			continue;
		if (sp_qty_parse(sp_vmap_str(of->v.requests, resource), &request, NULL) != SP_OK)
			request = (sp_qty){0};
		if (used >= 0 && used > sp_qty_value(&request))
			put_container_use(c, used, request, resource, out, b);
	}
}

void node_evict_message(const node_pod_use *u, const node_eviction *e, const node_pressures *p,
			const node_observations *o, node_signal s, sp_buf *out, sp_buf *ret_annotations)
{
	blamed b;
	sp_str resource = node_signal_resource(s);
	(void)sp_buf_printf(out, "The node was low on resource: " SP_FMT ". ", SP_ARG(resource));
	put_threshold(e, p, o, s, out);
	if (!u->is_known)
		return;
	sp_buf_init(&b.containers, BLAMED_BYTES_MAX);
	sp_buf_init(&b.uses, BLAMED_BYTES_MAX);
	sp_buf_init(&b.pod_use, BLAMED_BYTES_MAX);
	put_uses(u, s, out, &b);
	put_annotations(u, resource, &b, ret_annotations);
	sp_buf_done(&b.containers);
	sp_buf_done(&b.uses);
	sp_buf_done(&b.pod_use);
}
