-- A Supabase project of a shop before Tandem comes: Supabase's roles and default grants, the shop's tables and view.

create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;

create table customer_profiles (
    id                uuid primary key default gen_random_uuid(),
    email             text,
    first_name        text,
    last_name         text,
    mobile            text,
    landline          text,
    address_line1     text,
    address_line2     text,
    suburb            text,
    state             text,
    postcode          text,
    country           text,
    customer_segment  text,
    customer_segments text[],
    lead_score        integer,
    total_orders      integer,
    total_spent       numeric,
    last_order_date   timestamptz,
    last_event_name   text,
    preferred_venue   text,
    marketing_opt_in  boolean,
    customer_since    date,
    updated_at        timestamptz not null default now(),
    deleted_at        timestamptz
);
create index on customer_profiles (updated_at, id);

create table customer_emails (
    id           uuid primary key default gen_random_uuid(),
    customer_id  uuid not null references customer_profiles (id) on delete cascade,
    email        text not null,
    bounce_count integer,
    is_invalid   boolean not null default false
);

create table leads (
    id           uuid primary key default gen_random_uuid(),
    email        text not null,
    email_status text
);

alter table customer_profiles enable row level security;
alter table customer_emails enable row level security;
alter table leads enable row level security;

create view customers_crm_v with (security_invoker = true) as
select id, email, first_name, last_name, mobile, landline, address_line1, address_line2, suburb, state, postcode, country,
    customer_segment, customer_segments, lead_score, total_orders, total_spent, last_order_date, last_event_name,
    preferred_venue, marketing_opt_in, customer_since, updated_at, deleted_at
from customer_profiles;
