with recursive {tree},
old as (
    select a.attrelid, a.attnum, a.attname, a.attinhcount from tree join pg_attribute a on a.attrelid = tree.oid
    where a.attname in ({columns}) and a.attnum > 0 and not a.attisdropped
),
dependent (classid, objid, objsubid, deptype) as (
    select d.classid, d.objid, d.objsubid, d.deptype
    from old join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = old.attrelid
        and d.refobjsubid = old.attnum
    where d.deptype in ('n', 'a')
    union
    select d.classid, d.objid, d.objsubid, d.deptype
    from dependent
    -- What goes with a dependent: itself, the view of a rule and the view's row type, the column of an expression.
    cross join lateral (
        select dependent.classid, dependent.objid, dependent.objsubid
        union all
        select 'pg_class'::regclass, r.ev_class, 0 from pg_rewrite r
        where dependent.classid = 'pg_rewrite'::regclass and r.oid = dependent.objid and r.rulename = '_RETURN'
        union all
        select 'pg_type'::regclass, c.reltype, 0 from pg_rewrite r join pg_class c on c.oid = r.ev_class
        where dependent.classid = 'pg_rewrite'::regclass and r.oid = dependent.objid and r.rulename = '_RETURN'
        union all
        select 'pg_class'::regclass, ad.adrelid, ad.adnum from pg_attrdef ad
        join pg_attribute a on a.attrelid = ad.adrelid and a.attnum = ad.adnum
        where dependent.classid = 'pg_attrdef'::regclass and ad.oid = dependent.objid and a.attgenerated <> ''
    ) as gone (classid, objid, objsubid)
    join pg_depend d on d.refclassid = gone.classid and d.refobjid = gone.objid
        and (gone.objsubid = 0 or d.refobjsubid = gone.objsubid)
    where d.deptype in ('n', 'a')
),
distinct_dependent as (
    select classid, objid, objsubid, bool_or(deptype = 'a') as is_automatic
    from dependent group by classid, objid, objsubid
),
described as (
    select d.is_automatic,
        case
            when con.oid is not null then 'constraint_' || con.contype::text
            when rel.oid is not null and d.objsubid > 0 then 'generated_column'
            when rel.oid is not null then 'relation_' || rel.relkind::text
            when ad.oid is not null then case when att.attgenerated <> '' then 'generated_column' else 'default' end
            when rw.oid is not null then case when rw.rulename = '_RETURN' then 'relation_' || rwc.relkind::text else 'rule' end
            when tg.oid is not null then 'trigger'
            when pol.oid is not null then 'policy'
            when st.oid is not null then 'statistics'
            when pr.oid is not null then 'publication'
            when fn.oid is not null then case fn.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end
            else 'other'
        end as kind,
        case
            when con.oid is not null then quote_ident(con.conname)
            when rel.oid is not null and d.objsubid > 0 then (select quote_ident(a.attname) from pg_attribute a
                where a.attrelid = rel.oid and a.attnum = d.objsubid)
            when rel.oid is not null then (select format('%I.%I', n.nspname, rel.relname) from pg_namespace n
                where n.oid = rel.relnamespace)
            when ad.oid is not null then quote_ident(att.attname)
            when rw.oid is not null and rw.rulename = '_RETURN' then (select format('%I.%I', n.nspname, rwc.relname)
                from pg_namespace n where n.oid = rwc.relnamespace)
            when rw.oid is not null then quote_ident(rw.rulename)
            when tg.oid is not null then quote_ident(tg.tgname)
            when pol.oid is not null then quote_ident(pol.polname)
            when st.oid is not null then (select format('%I.%I', n.nspname, st.stxname) from pg_namespace n
                where n.oid = st.stxnamespace)
            when pr.oid is not null then (select quote_ident(p.pubname) from pg_publication p where p.oid = pr.prpubid)
            when fn.oid is not null then (select format('%I.%I(%s)', n.nspname, fn.proname,
                pg_get_function_identity_arguments(fn.oid)) from pg_namespace n where n.oid = fn.pronamespace)
            else pg_describe_object(d.classid, d.objid, d.objsubid)
        end as name,
        (select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.oid = coalesce(con.conrelid, case when d.objsubid > 0 then rel.oid end,
             (select i.indrelid from pg_index i where i.indexrelid = rel.oid), ad.adrelid, case when rw.rulename <> '_RETURN' then rw.ev_class end, tg.tgrelid,
             pol.polrelid, pr.prrelid)) as on_table,
        con.oid is not null and con.conrelid not in (select oid from tree) as is_elsewhere,
        tg.oid is not null and (select n.nspname = 'backfill' from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where p.oid = tg.tgfoid) as is_ours,
        -- Parts of what is told anyway: partitions follow their parent, a column's own default goes with it, the
        -- sequence of a serial column too; that a column is not null is no use of it.
        coalesce(con.contype = 'n' or con.conparentid <> 0 or (con.contype = 'c' and con.coninhcount > 0), false)
            or coalesce(rel.relispartition or rel.relkind = 'S', false)
            or coalesce(tg.tgisinternal or tg.tgparentid <> 0, false)
            or exists (select from old where old.attrelid = ad.adrelid and old.attnum = ad.adnum)
            or exists (select from old where old.attrelid = rel.oid and old.attnum = d.objsubid)
            or (d.classid = 'pg_type'::regclass) as is_implied
    from distinct_dependent d
    left join pg_constraint con on d.classid = 'pg_constraint'::regclass and con.oid = d.objid
    left join pg_class rel on d.classid = 'pg_class'::regclass and rel.oid = d.objid
    left join pg_attrdef ad on d.classid = 'pg_attrdef'::regclass and ad.oid = d.objid
    left join pg_attribute att on att.attrelid = ad.adrelid and att.attnum = ad.adnum
    left join pg_rewrite rw on d.classid = 'pg_rewrite'::regclass and rw.oid = d.objid
    left join pg_class rwc on rwc.oid = rw.ev_class
    left join pg_trigger tg on d.classid = 'pg_trigger'::regclass and tg.oid = d.objid
    left join pg_policy pol on d.classid = 'pg_policy'::regclass and pol.oid = d.objid
    left join pg_statistic_ext st on d.classid = 'pg_statistic_ext'::regclass and st.oid = d.objid
    left join pg_publication_rel pr on d.classid = 'pg_publication_rel'::regclass and pr.oid = d.objid
    left join pg_proc fn on d.classid = 'pg_proc'::regclass and fn.oid = d.objid
),
-- Neither is a dependent of the column: a partition key is part of the table, a parent's column is above it.
bound as (
    select true as is_automatic, 'partition_key' as kind, old.attname::text as name,
        format('%I.%I', n.nspname, c.relname) as on_table, false as is_elsewhere, false as is_ours
    from old join pg_class c on c.oid = old.attrelid join pg_namespace n on n.oid = c.relnamespace
    where exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = old.attrelid
        and d.objsubid = old.attnum and d.refclassid = 'pg_class'::regclass and d.refobjid = old.attrelid
        and d.refobjsubid = 0 and d.deptype = 'i')
    union all
    select true, 'inherited_column', quote_ident(old.attname), format('%I.%I', n.nspname, c.relname), true, false
    from old join pg_inherits i on i.inhrelid = old.attrelid join pg_class c on c.oid = i.inhparent
        join pg_namespace n on n.oid = c.relnamespace
    where old.attrelid = {oid} and old.attinhcount > 0
)
select kind, name, on_table, is_automatic, is_elsewhere, is_ours from described where not is_implied
union
select kind, name, on_table, is_automatic, is_elsewhere, is_ours from bound
order by 1, 2, 3
