/* SPDX-License-Identifier: Apache-2.0 */
/* CertificateSigningRequest of certificates.k8s.io/v1, its status and its approval. */
#include "base/base64.h"
#include "io/csr_check.h"
#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

static const char approved[] = "Approved", denied[] = "Denied", failed[] = "Failed";
static const char *const final_types[] = {approved, denied, failed};

static yyjson_mut_val *conditions_of(yyjson_mut_val *obj)
{
	return sp_kv_list(sp_kv_get(obj, "status"), "conditions");
}

/* The n-th condition of a type, or NULL. */
static yyjson_mut_val *condition_at(yyjson_mut_val *obj, const char *type, size_t n)
{
	size_t seen = 0;
	SP_KV_EACH (cond, i, conditions_of(obj)) {
		if (sp_kv_is(cond, "type", type) && seen++ == n)
			return cond;
	}
	return NULL;
}

static size_t condition_count(yyjson_mut_val *obj, const char *type)
{
	size_t n = 0;
	while (condition_at(obj, type, n) != NULL)
		n++;
	return n;
}

/* -- what a write may touch ----------------------------------------------------------------------------- */

/* Who asks is taken from the request, never from the body. */
static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const who[] = {"uid", "groups", "extra"};
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, obj, "spec");
	SP_KIND_NEED(c, spec != NULL);
	if (spec == NULL)
		return;
	sp_kv_drop(spec, "username");
	if (c->user.len > 0)
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, spec, "username", c->user));
	for (size_t i = 0; i < SP_LEN(who); i++)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, spec, c->user_info, who[i]));
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	SP_KIND_NEED(c, sp_kv_copy(c->doc, obj, old, "spec"));
}

/* Times that the client left out. */
static void fill_times(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	char text[SP_TIME_TEXT_BYTES];
	sp_str now = {text, sp_time_print(text, c->now, 0)};
	SP_KV_EACH (cond, i, conditions_of(obj)) {
		if (!sp_kv_has(cond, "lastUpdateTime"))
			SP_KIND_NEED(c, sp_kv_set_str(c->doc, cond, "lastUpdateTime", now));
		if (sp_kv_has(cond, "lastTransitionTime"))
			continue;
		sp_str since = now;
		bool found = false;
		SP_KV_EACH (was, k, conditions_of(old)) {
			if (!found && sp_str_eq(sp_kv_str(was, "type"), sp_kv_str(cond, "type")) &&
			    sp_str_eq(sp_kv_str(was, "status"), sp_kv_str(cond, "status")) &&
			    sp_kv_has(was, "lastTransitionTime")) {
				since = sp_kv_str(was, "lastTransitionTime");
				found = true;
			}
		}
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, cond, "lastTransitionTime", since));
	}
}

/* A status write keeps the verdicts as they are, unless it adds or removes one (which is refused later). */
static void keep_verdicts(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old, const char *type)
{
	static const char *const members[] = {"status", "reason", "message", "lastUpdateTime",
					      "lastTransitionTime"};
	size_t n = condition_count(obj, type);
	if (n != condition_count(old, type))
		return;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < SP_LEN(members); k++)
			SP_KIND_NEED(c, sp_kv_copy(c->doc, condition_at(obj, type, i),
						   condition_at(old, type, i), members[k]));
	}
}

static void prepare_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	keep_verdicts(c, obj, old, approved);
	keep_verdicts(c, obj, old, denied);
	fill_times(c, obj, old);
}

/* An approval changes conditions and nothing else. */
static void prepare_approval(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	fill_times(c, obj, old);
	yyjson_mut_val *conditions = sp_kv_get(sp_kv_get(obj, "status"), "conditions");
	SP_KIND_NEED(c, sp_kv_copy(c->doc, obj, old, "spec"));
	SP_KIND_NEED(c, sp_kv_copy(c->doc, obj, old, "status"));
	yyjson_mut_val *status = sp_kv_need_obj(c->doc, obj, "status");
	SP_KIND_NEED(c, status != NULL && sp_kv_set(c->doc, status, "conditions", conditions));
}

/* -- rules ---------------------------------------------------------------------------------------------- */

/* Any text is a name. */
static sp_name_faults any_name(sp_str s)
{
	(void)s;
	return (sp_name_faults){.n = 0};
}

static const char *const usages_known[] = {"any",
					   "cert sign",
					   "client auth",
					   "code signing",
					   "content commitment",
					   "crl sign",
					   "data encipherment",
					   "decipher only",
					   "digital signature",
					   "email protection",
					   "encipher only",
					   "ipsec end system",
					   "ipsec tunnel",
					   "ipsec user",
					   "key agreement",
					   "key encipherment",
					   "microsoft sgc",
					   "netscape sgc",
					   "ocsp signing",
					   "s/mime",
					   "server auth",
					   "signing",
					   "timestamping"};

/* What an update of an object that already has it may keep, and what each subresource may do. */
enum {
	SET_VERDICTS = 1u << 0,
	SET_CERTIFICATE = 1u << 1,
	BOTH_VERDICTS = 1u << 2,
	LEGACY_SIGNER = 1u << 3,
	TWICE_CONDITIONS = 1u << 4,
	EMPTY_CONDITIONS = 1u << 5,
	ANY_CERTIFICATE = 1u << 6,
	TWICE_USAGES = 1u << 7,
	UNKNOWN_USAGES = 1u << 8,
};

static const char legacy_signer[] = "kubernetes.io/legacy-unknown";

/* The bytes of base64 text, which decoding has checked. */
static sp_str decoded(sp_kind_ctx *c, sp_str text)
{
	uint8_t *bytes = sp_arena_try_alloc(c->arena, text.len + 4);
	size_t n = 0;
	SP_KIND_NEED(c, bytes != NULL);
	if (bytes == NULL || sp_base64_decode(text, bytes, &n, NULL) != SP_OK)
		return (sp_str){NULL, 0};
	return (sp_str){(const char *)bytes, n};
}

static void usages_validate(sp_violations *v, yyjson_mut_val *usages, unsigned options)
{
	SP_AUTO_STRSET seen = {0};
	const sp_path *path = SP_PATH("spec.usages");
	if (usages == NULL)
		sp_v_required(v, path, "%s", "");
	SP_KV_EACH (item, i, usages) {
		sp_str usage = sp_jmut_str(item);
		if ((options & UNKNOWN_USAGES) == 0 && !SP_STR_IN(usage, usages_known))
			sp_v_not_supported(v, SP_AT_I(path, i), sp_bad_named(usage), usages_known,
					   SP_LEN(usages_known));
		if (!sp_strset_add(&seen, usage, v) && (options & TWICE_USAGES) == 0)
			sp_v_duplicate(v, SP_AT_I(path, i), sp_bad_named(usage));
	}
}

/* Each part between dots by a rule; the first bad one is shown. Returns how many there are. */
static size_t dotted(sp_violations *v, const sp_path *path, sp_str whole, sp_name_faults (*check)(sp_str))
{
	sp_str rest = whole, part;
	size_t n = 0;
	bool bad = false;
	for (bool more = true; more; n++) {
		more = sp_str_cut(&rest, '.', &part);
		if (!more)
			part = rest;
		sp_name_faults f = bad ? (sp_name_faults){.n = 0} : check(part);
		for (size_t i = 0; i < f.n; i++)
			sp_v_invalid(v, path, whole, "validating label \"" SP_FMT "\": " SP_FMT SP_FMT,
				     SP_ARG(part), SP_ARG(f.items[i].prefix), SP_ARG(f.items[i].text));
		bad = bad || f.n > 0;
	}
	return n;
}

#define DOMAIN_BYTES_MAX 253
#define SIGNER_BYTES_MAX (DOMAIN_BYTES_MAX + 253 + 63 + 1 + 1)

static void signer_validate(sp_violations *v, const sp_path *path, sp_str signer)
{
	sp_str name = signer, domain;
	if (signer.len == 0) {
		sp_v_required(v, path, "%s", "");
		return;
	}
	if (!sp_str_cut(&name, '/', &domain) || sp_str_index(name, '/') >= 0) {
		sp_v_invalid(v, path, signer,
			     "must be a fully qualified domain and path of the form "
			     "'example.com/signer-name'");
		return;
	}
	if (domain.len > DOMAIN_BYTES_MAX)
		sp_v_too_long(v, path, DOMAIN_BYTES_MAX);
	if (dotted(v, path, domain, sp_name_dns1123_label) < 2)
		sp_v_invalid(v, path, domain,
			     "should be a domain with at least two segments separated by dots");
	(void)dotted(v, path, name, sp_name_dns1123_subdomain);
	if (signer.len > SIGNER_BYTES_MAX)
		sp_v_too_long(v, path, SIGNER_BYTES_MAX);
}

static void conditions_validate(sp_violations *v, yyjson_mut_val *obj, unsigned options)
{
	static const char *const statuses[] = {"False", "True", "Unknown"};
	static const char *const only_true[] = {"True"};
	SP_AUTO_STRSET seen = {0};
	const sp_path *path = SP_PATH("status.conditions");
	bool yes = false, no = false;
	SP_KV_EACH (cond, i, conditions_of(obj)) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str type = sp_kv_str(cond, "type"), status = sp_kv_str(cond, "status");
		bool is_final = SP_STR_IN(type, final_types);
		const char *const *allowed = is_final ? only_true : statuses;
		size_t n_allowed = is_final ? SP_LEN(only_true) : SP_LEN(statuses);
		if (type.len == 0 && (options & EMPTY_CONDITIONS) == 0)
			sp_v_required(v, SP_AT(at, "type"), "%s", "");
		if (status.len == 0)
			sp_v_required(v, SP_AT(at, "status"), "%s", "");
		else if (!sp_str_in(status, allowed, n_allowed))
			sp_v_not_supported(v, SP_AT(at, "status"), sp_bad_named(status), allowed, n_allowed);
		yes = yes || sp_kv_is(cond, "type", approved);
		no = no || sp_kv_is(cond, "type", denied);
		if (yes && no && (options & BOTH_VERDICTS) == 0 &&
		    (sp_kv_is(cond, "type", approved) || sp_kv_is(cond, "type", denied)))
			sp_v_invalid(v, path, sp_bad_named(type),
				     "Approved and Denied conditions are mutually exclusive");
		if (!sp_strset_add(&seen, type, v) && (options & TWICE_CONDITIONS) == 0)
			sp_v_duplicate(v, SP_AT(at, "type"), sp_bad_named(type));
	}
}

static void rules(sp_kind_ctx *c, yyjson_mut_val *obj, unsigned options)
{
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	sp_str request = sp_kv_str(spec, "request"), signer = sp_kv_str(spec, "signerName");
	sp_str certificate = sp_kv_str(sp_kv_get(obj, "status"), "certificate");
	int64_t seconds = sp_kv_i64(spec, "expirationSeconds", 600);
	sp_meta_validate(c, obj);
	sp_str fault = sp_csr_request_fault(decoded(c, request));
	if (fault.len > 0)
		sp_v_invalid(v, SP_PATH("spec.request"),
			     request.len == 0 ? sp_bad_text(SP_STR("null")) : sp_bad_named(request), SP_FMT,
			     SP_ARG(fault));
	usages_validate(v, sp_kv_list(spec, "usages"), options);
	if ((options & LEGACY_SIGNER) == 0 && sp_str_eq(signer, sp_str_c(legacy_signer)))
		sp_v_invalid(v, SP_PATH("spec.signerName"), signer,
			     "the legacy signerName is not allowed via this API version");
	else
		signer_validate(v, SP_PATH("spec.signerName"), signer);
	if (seconds < 600)
		sp_v_invalid(v, SP_PATH("spec.expirationSeconds"), seconds,
			     "may not specify a duration less than 600 seconds (10 minutes)");
	conditions_validate(v, obj, options);
	fault = (options & ANY_CERTIFICATE) == 0
			? sp_csr_certificates_fault(c->arena, decoded(c, certificate))
			: (sp_str){NULL, 0};
	if (fault.len > 0)
		sp_v_invalid(v, SP_PATH("status.certificate"), "<certificate data>", SP_FMT, SP_ARG(fault));
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	rules(c, obj, 0);
}

/* True when a list of texts (or of members of its items) has an entry twice. */
static bool has_twice(sp_violations *v, yyjson_mut_val *list, const char *member)
{
	SP_AUTO_STRSET seen = {0};
	SP_KV_EACH (item, i, list) {
		sp_str s = member != NULL ? sp_kv_str(item, member) : sp_jmut_str(item);
		if (!sp_strset_add(&seen, s, v))
			return true;
	}
	return false;
}

static unsigned options_of(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	unsigned o = 0;
	yyjson_mut_val *spec = sp_kv_get(old, "spec"), *usages = sp_kv_list(spec, "usages");
	sp_str was = sp_kv_str(sp_kv_get(old, "status"), "certificate");
	o |= condition_count(old, approved) > 0 && condition_count(old, denied) > 0 ? BOTH_VERDICTS : 0;
	o |= sp_kv_is(spec, "signerName", legacy_signer) ? LEGACY_SIGNER : 0;
	o |= has_twice(c->errors, conditions_of(old), "type") ? TWICE_CONDITIONS : 0;
	o |= condition_count(old, "") > 0 ? EMPTY_CONDITIONS : 0;
	o |= has_twice(c->errors, usages, NULL) ? TWICE_USAGES : 0;
	SP_KV_EACH (usage, i, usages) {
		o |= SP_STR_IN(sp_jmut_str(usage), usages_known) ? 0 : UNKNOWN_USAGES;
	}
	if (sp_str_eq(was, sp_kv_str(sp_kv_get(obj, "status"), "certificate")) ||
	    sp_csr_certificates_fault(c->arena, decoded(c, was)).len > 0)
		o |= ANY_CERTIFICATE;
	return o;
}

static void verdicts_update(sp_violations *v, yyjson_mut_val *obj, yyjson_mut_val *old, const char *type)
{
	const sp_path *path = SP_PATH("status.conditions");
	size_t now = condition_count(obj, type), was = condition_count(old, type);
	if (now > was)
		sp_v_forbidden(v, path, "updates may not add a condition of type \"%s\"", type);
	for (size_t i = 0; i < was && now == was; i++) {
		if (sp_kv_equal(condition_at(obj, type, i), condition_at(old, type, i)))
			continue;
		sp_v_forbidden(v, path, "updates may not modify a condition of type \"%s\"\n", type);
		return;
	}
}

static void update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old, unsigned rights)
{
	sp_violations *v = c->errors;
	unsigned options = options_of(c, obj, old) | rights;
	sp_str was = sp_kv_str(sp_kv_get(old, "status"), "certificate");
	rules(c, obj, options);
	for (size_t i = 0; i < SP_LEN(final_types); i++) {
		if (condition_count(obj, final_types[i]) < condition_count(old, final_types[i]))
			sp_v_forbidden(v, SP_PATH("status.conditions"),
				       "updates may not remove a condition of type \"%s\"", final_types[i]);
	}
	if ((rights & SET_VERDICTS) == 0) {
		verdicts_update(v, obj, old, approved);
		verdicts_update(v, obj, old, denied);
	}
	if (!sp_str_eq(was, sp_kv_str(sp_kv_get(obj, "status"), "certificate"))) {
		if ((rights & SET_CERTIFICATE) == 0)
			sp_v_forbidden(v, SP_PATH("status.certificate"),
				       "updates may not set certificate content");
		else if (was.len > 0)
			sp_v_forbidden(v, SP_PATH("status.certificate"),
				       "updates may not modify existing certificate content");
	}
	sp_meta_validate_update(c, obj, old);
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	update(c, obj, old, 0);
}

static void validate_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	update(c, obj, old, SET_CERTIFICATE);
}

static void validate_approval(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	update(c, obj, old, SET_VERDICTS);
}

/* -- columns -------------------------------------------------------------------------------------------- */

static yyjson_mut_val *duration_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *seconds = sp_kv_path(obj, "spec", "expirationSeconds", NULL);
	char text[SP_AGE_BYTES];
	if (seconds == NULL)
		return sp_cell_str(c, SP_STR("<none>"));
	return sp_cell_str(c, (sp_str){text, sp_age_print(text, sp_kv_num(seconds, 0))});
}

static yyjson_mut_val *condition_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	const char *verdict = condition_count(obj, denied) > 0     ? denied
			      : condition_count(obj, approved) > 0 ? approved
								   : "Pending";
	return sp_cell_printf(c, "%s%s%s", verdict, condition_count(obj, failed) > 0 ? ",Failed" : "",
			      sp_kv_str(sp_kv_get(obj, "status"), "certificate").len > 0 ? ",Issued" : "");
}

static const char *const all_reset[] = {"spec", "status", NULL};
static const char *const status_reset[] = {"spec", "status.conditions", NULL};
static const char *const approval_reset[] = {"spec", "status.certificate", NULL};
static const sp_sub_hooks subs[] = {{.name = SP_STR_INIT("status"),
				     .prepare_update = prepare_status,
				     .validate_update = validate_status,
				     .reset_fields = status_reset},
				    {.name = SP_STR_INIT("approval"),
				     .prepare_update = prepare_approval,
				     .validate_update = validate_approval,
				     .reset_fields = approval_reset}};
static const sp_cell cells[] = {{SP_STR_INIT("RequestedDuration"), duration_cell},
				{SP_STR_INIT("Condition"), condition_cell}};
static const sp_selectable selectable[] = {{SP_STR_INIT("spec.signerName"), NULL}};

const sp_kind_hooks sp_hooks_certificate_signing_request = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_HAS_STATUS,
	.name = any_name,
	.prepare_create = prepare_create,
	.prepare_update = prepare_update,
	.validate = validate,
	.validate_update = validate_update,
	.reset_fields = all_reset,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.selectable = selectable,
	.n_selectable = SP_LEN(selectable),
	.cells = cells,
	.n_cells = SP_LEN(cells),
};
