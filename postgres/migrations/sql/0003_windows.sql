set local role payments_owner;

reset role;
