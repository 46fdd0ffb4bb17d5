-- What Tandem needs in the database of a Supabase project, or of any PostgreSQL (15 or newer) behind PostgREST.
-- Run it as the owner of the tables (`postgres`, in the SQL editor). Running it again changes nothing.
--
-- It expects `public.customer_profiles` with a primary key `id uuid`, and the roles that Supabase has: anon, authenticated,
-- service_role. Tables of these names that are there already are kept as they are.

begin;

-- What became of each customer: the contact in Mautic, a digest of what was sent, when, and why not.
create table if not exists public.mautic_sync_status (
    customer_id       uuid primary key references public.customer_profiles (id) on delete cascade,
    mautic_contact_id integer,
    sync_hash         text,
    last_synced_at    timestamptz,
    sync_error        text,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now()
);

-- What customers did with their mail. The id is made from Mautic's own number of the event: told twice, it is there once.
create table if not exists public.customer_email_engagement (
    id              uuid primary key default gen_random_uuid(),
    customer_id     uuid references public.customer_profiles (id) on delete cascade,
    event_type      text not null, -- open, click, unsubscribe, bounce, complaint, form, page, contactable
    campaign_name   text,
    email_subject   text,
    link_url        text,
    occurred_at     timestamptz,
    mautic_email_id text,
    raw_payload     jsonb,
    created_at      timestamptz not null default now()
);
create index if not exists customer_email_engagement_customer
    on public.customer_email_engagement (customer_id, occurred_at);

-- A row a run of the scheduled sync.
create table if not exists public.mautic_sync_logs (
    id              uuid primary key default gen_random_uuid(),
    run_started_at  timestamptz,
    run_finished_at timestamptz,
    contacts_synced integer default 0,
    contacts_failed integer default 0,
    segments_synced integer default 0,
    error_details   jsonb,
    created_at      timestamptz not null default now()
);

-- What people changed in Mautic: the newest change of each field, for the application to take over. `value` is null where
-- a value was taken away. The application sets `taken_at` and leaves the row: a newer change empties it again.
create table if not exists public.mautic_contact_changes (
    customer_id uuid not null references public.customer_profiles (id) on delete cascade,
    field       text not null,
    value       jsonb,
    changed_at  timestamptz not null,
    taken_at    timestamptz,
    primary key (customer_id, field)
);
create index if not exists mautic_contact_changes_open
    on public.mautic_contact_changes (changed_at) where taken_at is null;

-- Changes may arrive twice and in any order: one that is not newer than what is there is dropped.
create or replace function public.mautic_contact_changes_keep_newest() returns trigger
language plpgsql set search_path = '' as $$
begin
    if new.changed_at > old.changed_at then
        new.taken_at := null;
        return new;
    end if;
    if new.taken_at is distinct from old.taken_at and new.changed_at = old.changed_at then
        old.taken_at := new.taken_at; -- the application took it
        return old;
    end if;
    return null;
end
$$;
create or replace trigger mautic_contact_changes_keep_newest
    before update on public.mautic_contact_changes
    for each row execute function public.mautic_contact_changes_keep_newest();

-- The same of organisations and deals, by the ids of their views.
create table if not exists public.mautic_record_changes (
    kind       text not null, -- organisation, deal
    record_id  text not null,
    field      text not null,
    value      jsonb,
    changed_at timestamptz not null,
    taken_at   timestamptz,
    primary key (kind, record_id, field)
);
create index if not exists mautic_record_changes_open
    on public.mautic_record_changes (changed_at) where taken_at is null;
create or replace trigger mautic_record_changes_keep_newest
    before update on public.mautic_record_changes
    for each row execute function public.mautic_contact_changes_keep_newest();

-- People who appeared in Mautic (a form, an import by marketing) and became records of Tandem's, where its rule takes people in.
-- The application makes customers of them; one with the address joins the record. It sets `taken_at` and leaves the row.
create table if not exists public.mautic_new_contacts (
    record      text primary key,
    email       text,
    fields      jsonb not null default '{}',
    integration text not null,
    appeared_at timestamptz not null,
    taken_at    timestamptz,
    created_at  timestamptz not null default now()
);
create index if not exists mautic_new_contacts_open on public.mautic_new_contacts (appeared_at) where taken_at is null;

create or replace function public.mautic_sync_status_touch() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.updated_at := now();
    return new;
end
$$;
create or replace trigger mautic_sync_status_touch
    before update on public.mautic_sync_status
    for each row execute function public.mautic_sync_status_touch();

-- Row-level security without a policy: nobody but the service role, which passes it by, reads or writes anything. Supabase
-- grants new tables to the browser's roles, so that is taken back too.
do $$
declare
    name text;
begin
    foreach name in array array[
        'mautic_sync_status', 'customer_email_engagement', 'mautic_sync_logs', 'mautic_contact_changes',
        'mautic_record_changes', 'mautic_new_contacts'
    ] loop
        execute format('alter table public.%I enable row level security', name);
        execute format('revoke all on public.%I from anon, authenticated', name);
        execute format('grant select, insert, update, delete on public.%I to service_role', name);
    end loop;
end
$$;
revoke all on function public.mautic_contact_changes_keep_newest() from public, anon, authenticated;
revoke all on function public.mautic_sync_status_touch() from public, anon, authenticated;

-- What Tandem reads, and the columns of the shop's own tables that it writes.
do $$
declare
    name text;
begin
    if to_regclass('public.customers_crm_v') is null then
        raise warning 'There is no view customers_crm_v: make it, or name another one to Tandem with SUPABASE_VIEW.';
    else
        grant select on public.customers_crm_v to service_role;
        if not exists (
            select from pg_attribute
            where attrelid = 'public.customers_crm_v'::regclass and attname = 'updated_at' and not attisdropped
        ) then
            raise warning 'customers_crm_v has no updated_at: every run will read all of its rows.';
        end if;
        -- A view reads with its owner's rights unless it says otherwise, past the row-level security of its tables.
        if has_table_privilege('anon', 'public.customers_crm_v', 'select') and not exists (
            select from pg_class, unnest(reloptions) as option
            where oid = 'public.customers_crm_v'::regclass and option in ('security_invoker=true', 'security_invoker=on')
        ) then
            raise warning 'Everybody on the internet can read customers_crm_v with the anon key: '
                'revoke select on public.customers_crm_v from anon, authenticated; '
                'or alter view public.customers_crm_v set (security_invoker = true);';
        end if;
    end if;
    foreach name in array array['customer_profiles', 'customer_emails', 'leads'] loop
        if to_regclass('public.' || name) is not null then
            execute format('grant select, update on public.%I to service_role', name);
        end if;
    end loop;
end
$$;

commit;

notify pgrst, 'reload schema';
